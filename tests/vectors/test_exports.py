"""What leaves the service as GeoJSON, Shapefile and COCO, read back by their own rules."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from server.errors import BadParameter
from server.vectors import coco, exports, geojson
from server.vectors.exports import export_objects

Maker = Callable[..., tuple[Path, Path]]
ATTRIBUTES = {
    "id", "area_px", "area_m2", "predicted_iou", "stability_score", "bbox", "point", "class", "source"
}  # fmt: skip


def export(result: tuple[Path, Path], kind: str) -> Path:
    labels, objects = result
    target = labels.with_name("export." + {"shp": "zip"}.get(kind, kind))
    export_objects(objects, labels, target, kind)
    return target


def decode(counts: list[int], size: list[int]) -> np.ndarray:
    """Return the bool mask of uncompressed COCO run lengths, written after the format's description."""
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return values.reshape(size[1], size[0]).T


def test_geojson_is_rfc_7946(make_result: Maker, sample: np.ndarray) -> None:
    content = json.loads(export(make_result(sample), "geojson").read_text(encoding="utf-8"))
    assert set(content) == {"type", "features"}  # no crs member
    features = {item["id"]: item for item in content["features"]}
    assert sorted(features) == [1, 2, 3, 5]
    assert {item["geometry"]["type"] for item in features.values()} == {"Polygon", "MultiPolygon"}
    for item in features.values():
        assert set(item["properties"]) == ATTRIBUTES
        outline = shapely.geometry.shape(item["geometry"])
        parts = outline.geoms if outline.geom_type == "MultiPolygon" else [outline]
        assert outline.is_valid
        assert all(part.exterior.is_ccw for part in parts)
        assert not any(hole.is_ccw for part in parts for hole in part.interiors)
        for lon, lat in shapely.get_coordinates(outline).tolist():
            assert (117.0 - 1e-6 <= lon < 117.001, 39.7 < lat < 39.76) == (True, True)
            assert (round(lon, 7), round(lat, 7)) == (lon, lat)
    assert features[1]["properties"]["bbox"] == [0, 0, 4, 4]
    assert features[2]["properties"]["point"] is None
    assert features[2]["properties"]["predicted_iou"] is None


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("transform", [None, rasterio.Affine(2, 0, 100, 0, -2, 50)])
def test_geojson_without_crs_is_in_pixels(
    make_result: Maker, sample: np.ndarray, transform: rasterio.Affine | None
) -> None:
    content = json.loads(export(make_result(sample, crs=None, transform=transform), "geojson").read_text())
    single = next(item for item in content["features"] if item["id"] == 5)
    assert shapely.geometry.shape(single["geometry"]).bounds == (7.0, 0.0, 8.0, 1.0)
    assert single["properties"]["area_m2"] is None


def test_geojson_is_cut_at_the_antimeridian(make_result: Maker) -> None:
    transform = rasterio.Affine(1000.0, 0, -2000, 0, -1000.0, 0)  # from 2 km west to 2 km east of 180 degrees
    crs = "+proj=merc +lon_0=180 +datum=WGS84"
    result = make_result(np.ones((3, 4), dtype=np.int32), crs=crs, transform=transform)
    content = json.loads(export(result, "geojson").read_text())
    outline = shapely.geometry.shape(content["features"][0]["geometry"])
    west, _, east, _ = outline.bounds
    assert (outline.geom_type, west, east) == ("MultiPolygon", -180.0, 180.0)
    assert outline.is_valid
    assert outline.area < 1.0


def test_empty_results_export(make_result: Maker) -> None:
    result = make_result(np.zeros((4, 5), dtype=np.int32))
    assert json.loads(export(result, "geojson").read_text()) == {"type": "FeatureCollection", "features": []}
    content = json.loads(export(result, "coco").read_text())
    assert (content["annotations"], content["images"][0]["width"]) == ([], 5)
    info = pyogrio.read_info(f"/vsizip/{export(result, 'shp')}/objects.shp")
    assert info["features"] == 0


def test_shapefile(make_result: Maker, sample: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CHUNK", 3)
    archive = export(make_result(sample), "shp")
    with zipfile.ZipFile(archive) as content:
        assert {name.split(".")[-1] for name in content.namelist()} == {"shp", "shx", "dbf", "prj", "cpg"}
        assert content.read("objects.cpg") == b"UTF-8"
    meta, _, geometries, columns = pyogrio.raw.read(f"/vsizip/{archive}/objects.shp")
    fields = dict(zip(meta["fields"], columns, strict=True))
    assert list(fields) == [
        "id", "area_px", "area_m2", "pred_iou", "stability", "bbox", "point", "class", "source"
    ]  # fmt: skip
    assert sorted(fields["id"]) == [1, 2, 3, 5]
    ring = list(fields["id"]).index(1)
    assert (fields["pred_iou"][ring], fields["class"][ring], fields["bbox"][ring]) == (0.9, "roof", "[0, 0, 4, 4]")
    assert len(shapely.from_wkb(geometries[ring]).interiors) == 1
    assert not list(archive.parent.glob("shapefile-*"))


def test_a_shapefile_without_crs_claims_none(make_result: Maker, sample: np.ndarray) -> None:
    archive = export(make_result(sample, crs=None, transform=rasterio.Affine(2, 0, 100, 0, -2, 50)), "shp")
    with zipfile.ZipFile(archive) as content:
        assert "objects.prj" not in content.namelist()


def test_coco_masks_are_the_labels(make_result: Maker, sample: np.ndarray) -> None:
    content = json.loads(export(make_result(sample), "coco").read_text())
    assert content["images"] == [{"id": 1, "file_name": "labels.tif", "width": 8, "height": 6}]
    names = {item["id"]: item["name"] for item in content["categories"]}
    back = np.zeros_like(sample)
    for item in content["annotations"]:
        mask = decode(item["segmentation"]["counts"], item["segmentation"]["size"])
        assert mask.sum() == item["area"]
        rows, cols = np.nonzero(mask)
        assert item["bbox"] == [cols.min(), rows.min(), np.ptp(cols) + 1, np.ptp(rows) + 1]
        assert names[item["category_id"]] == ("roof" if item["id"] == 1 else "object")
        back[mask] = item["id"]
    assert (back == sample).all()


@given(arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)))
def test_runs_lose_nothing_across_strips(labels: np.ndarray) -> None:
    height, width = labels.shape
    runs: dict[int, list[Any]] = {}
    for col in range(0, width, 2):
        strip = labels[:, col : col + 2]
        for object_id, found in coco._runs_of_strip(strip.T.ravel(), col * height):
            runs.setdefault(object_id, []).append(found)
    for object_id in (1, 2):
        mask = labels == object_id
        assert (object_id in runs) == mask.any()
        if object_id in runs:
            counts = coco.count_runs(runs[object_id], labels.size)
            assert all(count > 0 for count in counts[1:])
            assert (decode(counts, [height, width]) == mask).all()


def test_many_objects_are_read_in_chunks(make_result: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geojson, "CHUNK", 10)
    labels, objects = make_result(np.arange(1, 31, dtype=np.int32).reshape(5, 6))
    assert sorted(item["id"] for item in geojson.read_features(objects, labels)) == list(range(1, 31))


def test_unknown_formats_are_refused(make_result: Maker, sample: np.ndarray) -> None:
    with pytest.raises(BadParameter, match="gpkg, geojson, shp, coco") as error:
        export(make_result(sample), "dxf")
    assert error.value.field == "format"
