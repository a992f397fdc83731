"""Files of other programs: what is taken, what is said about it, and what is left out."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import rasterio
import shapely
from pycocotools import mask as coco_mask

from server.errors import BadParameter
from server.vectors.exchange import ImportedObjects, read_annotations
from server.vectors.exchange.found import MAX_CORNERS
from server.vectors.exchange.placing import CUT, NO_AREA, NO_OUTLINE, OUTSIDE, TOO_FINE
from tests.vectors.exchange.layers import HEIGHT, SPACES, WIDTH

Rasters = Mapping[str, Path]
SQUARE = [[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 20.0], [10.0, 10.0]]
DRIVERS = {"gpkg": "GPKG", "fgb": "FlatGeobuf", "shp": "ESRI Shapefile"}


def on_map(space: str, points: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return pixels in the coordinates of a raster's transform."""
    _, transform = SPACES[space]
    return [list(transform @ (x, y)) if transform else [x, y] for x, y in points]


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def polygon(points: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [points]}


def write_geojson(folder: Path, features: Sequence[Any], **members: Any) -> Path:
    target = folder / "sent.geojson"
    target.write_text(json.dumps({"type": "FeatureCollection", "features": features, **members}), encoding="utf-8")
    return target


def pixels(folder: Path, raster: Path, features: Sequence[Any]) -> ImportedObjects:
    """Read features whose coordinates are pixels."""
    return read_annotations(write_geojson(folder, features, space="pixel"), raster)


def write_table(path: Path, geometries: Sequence[shapely.Geometry], crs: str, kind: str, **columns: Any) -> Path:
    """Write a file with GDAL; a Shapefile is zipped, in a folder of its own inside the archive."""
    folder = path.parent / "draft"
    folder.mkdir(exist_ok=True)
    target = folder / f"roofs.{kind}"
    pyogrio.raw.write(
        target,
        shapely.to_wkb(np.array(geometries, dtype=object)).astype(object),
        [np.array(values, dtype=object if isinstance(values[0], str) else None) for values in columns.values()],
        list(columns),
        driver=DRIVERS[kind],
        geometry_type="Unknown" if kind != "shp" else "Polygon",
        crs=crs,
    )
    if kind != "shp":
        return target.rename(path)
    with zipfile.ZipFile(path, "w") as archive:
        for part in folder.iterdir():
            archive.write(part, f"some folder/{part.name}")
    return path


@pytest.mark.parametrize("kind", DRIVERS)
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32649"])
def test_another_crs_is_reprojected_and_said(rasters: Rasters, kind: str, crs: str, tmp_path: Path) -> None:
    there = rasterio.warp.transform("EPSG:32650", crs, *zip(*on_map("north up", SQUARE), strict=True))
    outline = shapely.Polygon(list(zip(*there, strict=True)))
    sent = write_table(tmp_path / "sent", [outline], crs, kind, Label=["roof"], height=[3.5])
    imported = read_annotations(sent, rasters["north up"])
    (found,) = imported.objects
    assert shapely.hausdorff_distance(found.outline, shapely.Polygon(SQUARE)) < 1e-4
    assert (found.class_name, found.source, found.checkpoint, found.point_xy) == ("roof", "imported", None, None)
    assert crs in imported.notes[0]
    assert "was reprojected to that of the raster, EPSG:32650" in imported.notes[0]
    assert imported.notes[1] == 'Classes come from the column "Label".'


@pytest.mark.parametrize(
    "name", ["urn:ogc:def:crs:EPSG::32650", "EPSG:32650", "urn:ogc:def:crs:EPSG:9.9:32650", "epsg:32650"]
)
def test_the_crs_member_of_old_geojson_counts(rasters: Rasters, name: str, tmp_path: Path) -> None:
    member = {"type": "name", "properties": {"name": name}}
    for space in ("north up", "rotated", "south up"):
        sent = write_geojson(tmp_path, [feature(polygon(on_map(space, SQUARE)))], crs=member)
        imported = read_annotations(sent, rasters[space])
        assert shapely.hausdorff_distance(imported.objects[0].outline, shapely.Polygon(SQUARE)) < 1e-5
        assert not imported.notes


def test_crs84_is_longitude_and_latitude(rasters: Rasters, tmp_path: Path) -> None:
    member = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    sent = write_geojson(tmp_path, [feature(polygon(on_map("geographic", SQUARE)))], crs=member)
    (found,) = read_annotations(sent, rasters["geographic"]).objects
    assert shapely.hausdorff_distance(found.outline, shapely.Polygon(SQUARE)) < 1e-5


@pytest.mark.parametrize(
    "member", ["EPSG:99999999", "/vsicurl/http://example.com/a.wkt", "http://example.com", 7, None]
)
def test_a_crs_that_is_unknown_is_refused(rasters: Rasters, member: Any, tmp_path: Path) -> None:
    sent = write_geojson(tmp_path, [feature(polygon(SQUARE))], crs={"type": "name", "properties": {"name": member}})
    with pytest.raises(BadParameter, match="coordinate reference system that is not known"):
        read_annotations(sent, rasters["north up"])


def test_without_a_crs_the_rasters_own_is_taken_and_said(rasters: Rasters, tmp_path: Path) -> None:
    sent = write_table(tmp_path / "sent", [shapely.Polygon(on_map("rotated", SQUARE))], "EPSG:32650", "shp", a=[1])
    bare = tmp_path / "bare.zip"
    with zipfile.ZipFile(sent) as full, zipfile.ZipFile(bare, "w") as archive:
        for name in full.namelist():
            if not name.endswith(".prj"):
                archive.writestr(name, full.read(name))
    imported = read_annotations(bare, rasters["rotated"])
    assert shapely.hausdorff_distance(imported.objects[0].outline, shapely.Polygon(SQUARE)) < 1e-5
    assert "does not say its coordinate reference system" in imported.notes[0]


def test_a_raster_without_crs_takes_that_of_the_file(rasters: Rasters, tmp_path: Path) -> None:
    sent = write_table(tmp_path / "sent", [shapely.Polygon(on_map("no CRS", SQUARE))], "EPSG:32650", "gpkg", a=[1])
    imported = read_annotations(sent, rasters["no CRS"])
    assert shapely.hausdorff_distance(imported.objects[0].outline, shapely.Polygon(SQUARE)) < 1e-6
    assert "The raster does not say its coordinate reference system" in imported.notes[0]
    with pytest.raises(BadParameter, match="the raster has no place on Earth"):
        read_annotations(sent, rasters["nothing"])


def test_geojson_for_a_raster_without_a_place_is_in_pixels(rasters: Rasters, tmp_path: Path) -> None:
    imported = read_annotations(write_geojson(tmp_path, [feature(polygon(SQUARE))]), rasters["nothing"])
    assert imported.objects[0].outline.bounds == (10, 10, 20, 20)
    assert imported.notes == [
        "The raster has no place on Earth, so the coordinates of the GeoJSON were taken as its pixels."
    ]


def test_what_is_left_out_is_counted(rasters: Rasters, tmp_path: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, MAX_CORNERS + 1)
    circle = shapely.Polygon(np.stack([30 + 5 * np.cos(angles), 20 + 5 * np.sin(angles)], axis=1))
    features = [
        feature(polygon(SQUARE)),
        feature({"type": "Point", "coordinates": [1, 2]}),
        feature({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}),
        feature(None),
        feature(polygon([[1, 2], [3, "four"], [5, 6], [1, 2]])),
        feature(polygon([[1, 1], [5, 1], [9, 1], [1, 1]])),
        feature(polygon([[x + 500, y] for x, y in SQUARE])),
        feature(polygon([[x - 15, y] for x, y in SQUARE])),
        feature(shapely.geometry.mapping(circle)),
        "no feature",
    ]
    imported = pixels(tmp_path, rasters["north up"], features)
    assert [item.outline.bounds for item in imported.objects] == [(10, 10, 20, 20), (0, 10, 5, 20)]
    assert imported.notes == [
        f"{NO_OUTLINE}: 4.", f"{TOO_FINE}: 1.", f"{NO_AREA}: 1.", f"{OUTSIDE}: 1.", f"{CUT}: 1."
    ]  # fmt: skip


@pytest.mark.parametrize("features", [[], [feature(None)], [feature(polygon([[x + 99, y] for x, y in SQUARE]))]])
def test_nothing_usable_is_refused_with_the_reason(rasters: Rasters, features: Any, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=r"no outline on this raster\. .*(no features|no outline|outside)"):
        pixels(tmp_path, rasters["north up"], features)


def test_longitudes_without_an_answer_are_left_out(rasters: Rasters, tmp_path: Path) -> None:
    far = [[0, 95], [1, 95], [1, 96], [0, 95]]
    with pytest.raises(BadParameter, match="no place in the raster's coordinate reference system"):
        read_annotations(write_geojson(tmp_path, [feature(polygon(far))]), rasters["north up"])


def test_crossing_and_overlapping_outlines_are_repaired(rasters: Rasters, tmp_path: Path) -> None:
    bow = polygon([[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]])
    overlapping = {"type": "MultiPolygon", "coordinates": [[SQUARE], [[[x + 5, y] for x, y in SQUARE]]]}
    collection = {
        "type": "GeometryCollection",
        "geometries": [{"type": "Point", "coordinates": [1, 1]}, polygon(SQUARE)],
    }
    imported = pixels(tmp_path, rasters["north up"], [feature(bow), feature(overlapping), feature(collection)])
    assert [item.outline.area for item in imported.objects] == [50, 150, 100]
    assert all(item.outline.is_valid for item in imported.objects)


def test_heights_are_dropped(rasters: Rasters, tmp_path: Path) -> None:
    (found,) = pixels(tmp_path, rasters["north up"], [feature(polygon([[*xy, 80.5] for xy in SQUARE]))]).objects
    assert not found.outline.has_z
    outline = shapely.force_3d(shapely.Polygon(on_map("north up", SQUARE)), 7.0)
    for kind in DRIVERS:
        (tmp_path / "draft").mkdir(exist_ok=True)
        for old in (tmp_path / "draft").iterdir():
            old.unlink()
        sent = write_table(tmp_path / "sent", [outline], "EPSG:32650", kind, a=[1])
        (found,) = read_annotations(sent, rasters["north up"]).objects
        assert (found.outline.has_z, found.outline.area) == (False, 100)


@pytest.mark.parametrize(
    ("properties", "expected", "column"),
    [
        ({"name": "St Mary", "category": "church"}, "church", "category"),
        ({"CLASS": 3.0, "label": "x"}, "3", "CLASS"),
        ({"class": None, "type": " flat\nroof "}, "flat roof", "type"),
        ({"label": ["a"], "kind": "\ud800bad"}, "bad", "kind"),
        ({"landuse": "x" * 300}, "x" * 200, "landuse"),
    ],
)
def test_the_most_telling_column_is_the_class(
    rasters: Rasters, properties: dict[str, Any], expected: str, column: str, tmp_path: Path
) -> None:
    imported = pixels(tmp_path, rasters["north up"], [feature(polygon(SQUARE), **properties)])
    assert imported.objects[0].class_name == expected
    assert imported.notes == [f'Classes come from the column "{column}".']


def test_too_many_classes_are_none(rasters: Rasters, tmp_path: Path) -> None:
    imported = pixels(tmp_path, rasters["nothing"], [feature(polygon(SQUARE), name=f"n{at}") for at in range(256)])
    assert {item.class_name for item in imported.objects} == {None}
    assert 'The column "name" has 256 different values' in imported.notes[0]


@pytest.mark.parametrize("value", [None, "0.5", -1, 1.5, True, [0.5], [10**400, 1], float("nan")])
def test_odd_values_of_our_columns_are_left_alone(rasters: Rasters, value: Any, tmp_path: Path) -> None:
    odd = dict.fromkeys(("predicted_iou", "stability_score", "point", "source", "checkpoint"), value)
    (found,) = pixels(tmp_path, rasters["nothing"], [feature(polygon(SQUARE), **odd)]).objects
    assert (found.predicted_iou, found.stability_score, found.point_xy, found.source) == (None, None, None, "imported")
    assert found.checkpoint == ("0.5" if value == "0.5" else None)


def test_the_first_layer_of_polygons_is_read(rasters: Rasters, tmp_path: Path) -> None:
    target = tmp_path / "layers.gpkg"
    outline = shapely.Polygon(on_map("north up", SQUARE))
    for layer, geometry in (("trees", shapely.Point(0, 0)), ("roofs", outline), ("walls", outline)):
        wkb = shapely.to_wkb(np.array([geometry], dtype=object)).astype(object)
        kind = geometry.geom_type
        pyogrio.raw.write(
            target, wkb, [np.array([layer], dtype=object)], ["class"], layer=layer, driver="GPKG", geometry_type=kind,
            crs="EPSG:32650", append=target.exists(),
        )  # fmt: skip
    imported = read_annotations(target, rasters["north up"])
    assert [item.class_name for item in imported.objects] == ["roofs"]
    assert imported.notes[0] == 'Only the layer "roofs" was read, not "trees", "walls".'


def test_the_geopackages_envelopes_and_byte_orders_are_understood(rasters: Rasters, tmp_path: Path) -> None:
    sent = write_table(
        tmp_path / "sent", [shapely.Polygon(on_map("north up", SQUARE))] * 3, "EPSG:32650", "gpkg", a=[1, 2, 3]
    )
    outline = shapely.Polygon(on_map("north up", SQUARE))
    plain = b"GP\0\0" + (32650).to_bytes(4, "big") + shapely.to_wkb(outline, byte_order=0)
    with closing(sqlite3.connect(sent)) as connection, connection:
        for name in ("insert", "update1", "update2", "update3", "update4", "update5", "update6", "update7", "delete"):
            connection.execute(f'DROP TRIGGER IF EXISTS "rtree_roofs_geom_{name}"')
        connection.execute("UPDATE roofs SET geom = ? WHERE a = 1", (plain,))
        connection.execute("UPDATE roofs SET geom = ? WHERE a = 2", (b"broken",))
    imported = read_annotations(sent, rasters["north up"])
    assert [item.outline.area for item in imported.objects] == [100, 100]


def coco(annotations: Sequence[dict[str, Any]], **members: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 5, "file_name": "x.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": at, "image_id": 5, "category_id": 2, **item} for at, item in enumerate(annotations)],
        "categories": [{"id": 2, "name": "car"}],
        **members,
    }


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_of_other_programs(rasters: Rasters, tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[3:9, 10:30] = 1
    mask[5, 12] = 0
    packed = coco_mask.encode(np.asfortranarray(mask))
    compressed = {"size": packed["size"], "counts": packed["counts"].decode("ascii")}
    annotations = [
        {"segmentation": [[0, 0, 4, 0, 4, 4, 0, 4], [2, 2, 6, 2, 6, 6, 2, 6]]},
        {"segmentation": compressed},
        {"segmentation": [], "bbox": [1, 2, 3, 4]},
        {"segmentation": {"size": [1, 1], "counts": [0, 1]}},
        {"segmentation": [[1, 2, 3]], "category_id": 99},
        {"segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]], "image_id": 6},
    ]
    (tmp_path / "sent.json").write_text(json.dumps(coco(annotations)))
    imported = read_annotations(tmp_path / "sent.json", rasters["rotated"])
    union, traced = imported.objects
    assert (union.class_name, union.outline.area, union.outline.is_valid) == ("car", 28, True)
    assert (traced.outline.area, len(traced.outline.geoms[0].interiors)) == (119, 1)
    assert traced.outline.bounds == (10, 3, 30, 9)
    assert imported.notes[0] == "Left out, because they belong to other images: 1."
    assert imported.notes[1] == f"{NO_OUTLINE}: 3."


@pytest.mark.parametrize("size", [(WIDTH + 1, HEIGHT), (None, "x")])
def test_coco_of_an_image_of_another_size_is_refused(rasters: Rasters, size: Any, tmp_path: Path) -> None:
    image = {"id": 5, "file_name": "x.png", "width": size[0], "height": size[1]}
    (tmp_path / "sent.json").write_text(json.dumps(coco([{"segmentation": [[0, 0, 4, 0, 4, 4]]}], images=[image])))
    with pytest.raises(BadParameter, match="0 of them with the size of the raster, 60 x 40 pixels"):
        read_annotations(tmp_path / "sent.json", rasters["north up"])
