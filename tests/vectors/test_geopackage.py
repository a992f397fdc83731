"""The GeoPackage: attributes, places and areas, read back with an independent reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from pyproj import Geod
from rasterio.control import GroundControlPoint
from rasterio.features import rasterize

from server.vectors import geopackage

Maker = Callable[..., tuple[Path, Path]]
CORNERS = [(0, 0, 10.0, 50.0), (0, 8, 10.008, 50.001), (6, 0, 9.999, 49.994), (6, 8, 10.007, 49.995)]


def read(path: Path) -> dict[int, dict[str, Any]]:
    """Return the features by id, their geometry under "geometry"."""
    meta, _, geometries, columns = pyogrio.raw.read(path)
    rows = [dict(zip(meta["fields"], values, strict=True)) for values in zip(*columns, strict=True)]
    return {row["id"]: {**row, "geometry": shapely.from_wkb(geometries[n])} for n, row in enumerate(rows)}


def test_attributes(make_result: Maker, sample: np.ndarray) -> None:
    _, objects = make_result(sample)
    found = read(objects)
    assert sorted(found) == [1, 2, 3, 5]
    ring = found[1]
    assert (ring["area_px"], json.loads(ring["bbox"]), json.loads(ring["point"])) == (12, [0, 0, 4, 4], [0.5, 1.25])
    assert (ring["predicted_iou"], ring["stability_score"]) == (0.9, 0.8)
    assert (ring["class"], ring["source"]) == ("roof", "automatic, checkpoint embedded")
    assert json.loads(found[3]["bbox"]) == [0, 1, 8, 5]
    assert {key: item["area_px"] for key, item in found.items()} == {1: 12, 2: 3, 3: 6, 5: 1}
    assert found[2]["class"] is None
    assert found[2]["point"] is None
    assert np.isnan(found[2]["predicted_iou"])


@pytest.mark.parametrize(
    "transform",
    [
        rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_400_000),
        rasterio.Affine(0.5, 0, 500_000, 0, 0.5, 4_400_000),
        rasterio.Affine(0.4, 0.3, 500_000, 0.3, -0.4, 4_400_000),
    ],
    ids=["north up", "south up", "rotated"],
)
def test_outlines_lie_on_their_pixels(make_result: Maker, sample: np.ndarray, transform: rasterio.Affine) -> None:
    _, objects = make_result(sample, crs="EPSG:32650", transform=transform)
    info = pyogrio.read_info(objects)
    assert (info["crs"], info["layer_name"], info["geometry_type"]) == ("EPSG:32650", "objects", "MultiPolygon")
    found = read(objects)
    for item in found.values():
        outline = item["geometry"]
        assert outline.is_valid
        assert all(part.exterior.is_ccw for part in outline.geoms)
        assert outline.area == pytest.approx(0.25 * item["area_px"])
        # The grid of UTM is 0.04 % too small here, its areas 0.08 %.
        assert item["area_m2"] == pytest.approx(outline.area, rel=2e-3)
    back = rasterize([(item["geometry"], key) for key, item in found.items()], sample.shape, transform=transform)
    assert (back == sample).all()


def test_areas_are_geodesic_in_degrees(make_result: Maker) -> None:
    labels = np.ones((2, 40), dtype=np.int32)
    transform = rasterio.Affine(1.0, 0, -20, 0, -1.0, 61)
    _, objects = make_result(labels, crs="EPSG:4326", transform=transform)
    band = [(lon, lat) for lat in (61.0, 59.0) for lon in np.linspace(-20, 20, 4001)[:: 1 if lat == 61 else -1]]
    lons, lats = zip(*band, strict=True)
    expected, _ = Geod(ellps="WGS84").polygon_area_perimeter(lons, lats)
    assert read(objects)[1]["area_m2"] == pytest.approx(abs(expected), rel=2e-3)


def test_areas_in_web_mercator_are_not_its_own(make_result: Maker) -> None:
    transform = rasterio.Affine(2.0, 0, 1_000_000, 0, -2.0, 8_399_738)  # 60 degrees north: twice too long
    _, objects = make_result(np.ones((10, 10), dtype=np.int32), crs="EPSG:3857", transform=transform)
    assert read(objects)[1]["area_m2"] == pytest.approx(100.0, rel=0.01)


def test_without_crs_the_transform_counts_and_areas_are_unknown(make_result: Maker, sample: np.ndarray) -> None:
    _, objects = make_result(sample, crs=None, transform=rasterio.Affine(2, 0, 100, 0, -2, 50))
    found = read(objects)
    assert found[5]["geometry"].bounds == (114.0, 48.0, 116.0, 50.0)
    assert np.isnan(found[5]["area_m2"])


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_without_anything_coordinates_are_pixels(make_result: Maker, sample: np.ndarray) -> None:
    _, objects = make_result(sample, crs=None)
    assert read(objects)[3]["geometry"].bounds == (0.0, 1.0, 8.0, 6.0)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_ground_control_points_place_the_outlines(make_raster: Any, sample: np.ndarray, tmp_path: Path) -> None:
    gcps = [GroundControlPoint(row, col, x, y, 0.0) for row, col, x, y in CORNERS]
    labels = make_raster("labels.tif", sample[np.newaxis], crs="EPSG:4326", gcps=gcps)
    with rasterio.open(labels, "r+") as raster:
        raster.gcps = (gcps, rasterio.CRS.from_epsg(4326))
    with rasterio.open(labels) as raster:
        assert raster.gcps[0]
        assert raster.transform.is_identity
    geopackage.write_objects(labels, tmp_path / "objects.gpkg", {})
    found = read(tmp_path / "objects.gpkg")
    assert pyogrio.read_info(tmp_path / "objects.gpkg")["crs"] == "EPSG:4326"
    np.testing.assert_allclose(found[5]["geometry"].bounds, (10.0068333, 50.000, 10.008, 50.001), atol=2e-4)
    assert found[5]["area_m2"] == pytest.approx(8.0e3, rel=0.1)


def test_no_objects_make_a_valid_empty_file(make_result: Maker) -> None:
    _, objects = make_result(np.zeros((4, 4), dtype=np.int32))
    info = pyogrio.read_info(objects)
    assert (info["features"], info["crs"], info["geometry_type"]) == (0, "EPSG:32650", "MultiPolygon")
    assert info["fields"].tolist() == list(geopackage.COLUMNS)


def test_chunks_are_appended(make_result: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geopackage, "CHUNK", 7)
    _, objects = make_result(np.arange(1, 101, dtype=np.int32).reshape(10, 10))
    assert sorted(read(objects)) == list(range(1, 101))


def test_an_older_file_is_replaced(make_result: Maker, sample: np.ndarray) -> None:
    make_result(sample)
    _, objects = make_result(np.zeros((4, 4), dtype=np.int32))
    assert pyogrio.read_info(objects)["features"] == 0
