"""Label and class rasters, and the STAC item."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely

from server.errors import BadParameter
from server.vectors.annotated import ObjectFacts
from server.vectors.exchange import Layer, drawn, write_annotations
from tests.vectors.exchange.layers import HEIGHT, SPACES, WIDTH, make_objects

MakeLayer = Callable[..., Layer]


def square(left: float, top: float, side: float, class_name: str | None) -> ObjectFacts:
    return ObjectFacts(shapely.MultiPolygon([shapely.box(left, top, left + side, top + side)]), class_name)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("space", [*SPACES, "control points"])
@pytest.mark.parametrize(("kind", "dtype"), [("labels", "int32"), ("classes", "uint8")])
def test_rasters_lie_where_their_raster_lies(
    make_layer: MakeLayer, space: str, kind: str, dtype: str, tmp_path: Path
) -> None:
    layer = make_layer(space)
    write_annotations(tmp_path / "out.tif", kind, layer)
    with rasterio.open(tmp_path / "out.tif") as found, rasterio.open(layer.raster) as raster:
        assert (found.shape, found.crs, found.transform) == (raster.shape, raster.crs, raster.transform)
        assert len(found.gcps[0]) == len(raster.gcps[0])
        assert (found.count, found.dtypes[0], found.nodata) == (1, dtype, 0)
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert [path.name for path in tmp_path.iterdir()] == ["out.tif"]


@pytest.mark.parametrize("window_px", [16, 2048])
def test_small_objects_lie_over_large_ones(
    make_layer: MakeLayer, window_px: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "WINDOW_PX", window_px)
    field = make_layer().classes[1].name
    facts = [square(10, 10, 4, "roof"), square(5, 5, 20, field), square(11, 11, 1, None), square(50, 30, 40, "roof")]
    layer = make_layer(objects=make_objects(facts))
    expected = np.zeros((HEIGHT, WIDTH), np.int32)
    expected[5:25, 5:25] = 4
    expected[10:14, 10:14] = 1
    classes = np.array([0, 1, 0, 0, 7])[expected]
    expected[11, 11] = 7
    expected[30:, 50:] = 10
    classes[30:, 50:] = 1
    for kind, values in (("labels", expected), ("classes", classes)):
        write_annotations(tmp_path / "out.tif", kind, layer)
        with rasterio.open(tmp_path / "out.tif") as raster:
            np.testing.assert_array_equal(raster.read(1), values)


def test_the_class_raster_has_the_colours_and_names(make_layer: MakeLayer, tmp_path: Path) -> None:
    layer = make_layer()
    write_annotations(tmp_path / "out.tif", "classes", layer)
    with rasterio.open(tmp_path / "out.tif") as raster:
        colours = raster.colormap(1)
        assert raster.colorinterp[0].name == "palette"
        assert json.loads(raster.tags()["CLASSES"]) == {"1": "roof", "7": layer.classes[1].name}
    assert (colours[0][3], colours[1], colours[7]) == (0, (255, 0, 0, 255), (0, 255, 128, 255))


@pytest.mark.parametrize("kind", ["labels", "classes"])
def test_without_objects_rasters_are_background(make_layer: MakeLayer, kind: str, tmp_path: Path) -> None:
    write_annotations(tmp_path / "out.tif", kind, make_layer(objects=[]))
    with rasterio.open(tmp_path / "out.tif") as raster:
        assert not raster.read(1).any()


def describe(layer: Layer, folder: Path) -> dict[str, Any]:
    write_annotations(folder / "item.json", "stac", layer)
    item: dict[str, Any] = json.loads((folder / "item.json").read_text(encoding="utf-8"))
    return item


def check_core(item: dict[str, Any]) -> None:
    """Check what the STAC item specification 1.1.0 and the extensions demand of any item."""
    assert (item["type"], item["stac_version"]) == ("Feature", "1.1.0")
    assert isinstance(item["id"], str)
    assert all(address.startswith("https://stac-extensions.github.io/") for address in item["stac_extensions"])
    assert ("bbox" in item) == (item["geometry"] is not None)
    properties = item["properties"]
    assert properties["datetime"] is None
    for name in ("start_datetime", "end_datetime", "created", "updated"):
        assert properties[name].endswith("Z")
        datetime.fromisoformat(properties[name])
    for asset in item["assets"].values():
        assert set(asset) <= {"href", "type", "title", "roles"}
        assert " " not in asset["href"]
    for link in item["links"]:
        assert {"rel", "href"} <= set(link)
        assert set(link["label:assets"]) <= set(item["assets"])
    assert {"label:type", "label:description", "label:properties"} <= set(properties)
    assert properties["label:type"] == "vector"
    assert all(isinstance(version, str) for version in properties["processing:software"].values())
    assert len(properties["proj:shape"]) == 2
    assert len(properties.get("proj:transform", range(6))) == 6


def test_the_stac_item_tells_place_and_provenance(make_layer: MakeLayer, tmp_path: Path) -> None:
    item = describe(make_layer("rotated"), tmp_path)
    check_core(item)
    outline = shapely.geometry.shape(item["geometry"])
    assert outline.is_valid
    np.testing.assert_allclose(outline.bounds, item["bbox"], atol=1e-5)
    properties = item["properties"]
    assert (properties["proj:code"], properties["proj:shape"]) == ("EPSG:32650", [HEIGHT, WIDTH])
    assert properties["proj:transform"] == [0.4, 0.3, 500_000, 0.3, -0.4, 4_400_000]
    assert (properties["start_datetime"], properties["end_datetime"]) == (
        "2026-03-01T10:00:00Z",
        "2026-03-02T11:30:00Z",
    )
    assert properties["checkpoints"] == ["embedded"]
    assert "1 drawn, 1 imported, 1 prompt" in properties["processing:lineage"]
    assert properties["label:overviews"][0]["counts"][0] == {"name": "roof", "count": 1}
    assert item["links"][0]["href"] == "my%20scene.tif"


@pytest.mark.parametrize("space", ["no CRS", "nothing"])
def test_without_a_place_there_is_neither_geometry_nor_bbox(make_layer: MakeLayer, space: str, tmp_path: Path) -> None:
    item = describe(make_layer(space), tmp_path)
    check_core(item)
    assert item["geometry"] is None
    assert item["properties"]["proj:code"] is None
    assert ("proj:transform" in item["properties"]) == (space == "no CRS")


def test_an_empty_layer_has_a_valid_item(make_layer: MakeLayer, tmp_path: Path) -> None:
    item = describe(make_layer("control points", objects=[]), tmp_path)
    check_core(item)
    assert item["properties"]["proj:code"] == "EPSG:4326"
    assert "label:overviews" not in item["properties"]


def test_an_unknown_format_is_refused(make_layer: MakeLayer, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="gpkg, geojson, shp, fgb, coco, labels, classes, stac") as error:
        write_annotations(tmp_path / "out.dxf", "dxf", make_layer())
    assert error.value.field == "format"
