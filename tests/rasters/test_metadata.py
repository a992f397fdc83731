"""Metadata says what rasterio reads, nothing it does not know, and always in strict JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import Resampling
from rasterio.transform import from_origin

from server.rasters import reduced
from server.rasters.metadata import read_metadata

CONTRACT_FIELDS = {
    *("raster", "width", "height", "band_count", "dtype", "driver", "crs", "transform", "bounds", "bounds_wgs84"),
    *("x_resolution", "y_resolution", "unit", "nodata", "georeferenced", "overviews", "block_size", "size_bytes"),
    *("side_files", "bands"),
}
BAND_FIELDS = {
    *("index", "description", "dtype", "color", "nodata", "min", "max", "mean", "std", "p2", "p98", "scale", "offset"),
    "unit",
}


def described(path) -> dict:
    meta = read_metadata(path, "scene.tif")
    assert json.loads(json.dumps(meta, allow_nan=False)) == meta
    return meta


def test_every_field_of_the_contract_is_there(make_raster):
    path = make_raster(bands=4, dtype="uint16", size=(70, 50), nodata=0)
    meta = described(path)
    assert set(meta) >= CONTRACT_FIELDS
    assert all(set(band) == BAND_FIELDS for band in meta["bands"])
    assert (meta["raster"], meta["width"], meta["height"], meta["band_count"]) == ("scene.tif", 70, 50, 4)
    assert (meta["dtype"], meta["driver"], meta["nodata"]) == ("uint16", "GTiff", 0)
    assert meta["crs"]["epsg"] == 32650
    assert meta["crs"]["name"] == "WGS 84 / UTM zone 50N"
    assert meta["crs"]["wkt"].startswith("PROJCS[")
    assert meta["transform"] == [0.5, 0, 500_000, 0, -0.5, 4_400_000]
    assert meta["bounds"] == [500_000, 4_400_000 - 25, 500_035, 4_400_000]
    assert meta["bounds_wgs84"] == pytest.approx([117.0, 39.7497, 117.0004, 39.7499], abs=2e-4)
    assert (meta["x_resolution"], meta["y_resolution"], meta["unit"]) == (0.5, 0.5, "metre")
    assert meta["georeferenced"] is True
    assert meta["approximate"] is False
    assert meta["size_bytes"] == path.stat().st_size
    assert meta["side_files"] == []


def test_layout_is_told(make_raster):
    path = make_raster(size=(600, 520), tiled=True, blockxsize=256, blockysize=128)
    assert described(path)["block_size"] == [256, 128]
    assert described(path)["overviews"] == []
    with rasterio.open(path, "r+") as raster:
        raster.build_overviews([2, 4], Resampling.average)
    assert described(path)["overviews"] == [2, 4]


def test_bands_are_described(make_raster):
    path = make_raster(bands=2, dtype="int16")
    with rasterio.open(path, "r+") as raster:
        raster.set_band_description(2, "near infrared")
        raster.scales, raster.offsets, raster.units = (1.0, 0.0001), (0.0, -0.1), (None, "reflectance")
    first, second = described(path)["bands"]
    assert (first["index"], first["description"], first["unit"], first["color"]) == (1, None, None, "gray")
    assert (second["index"], second["description"], second["unit"]) == (2, "near infrared", "reflectance")
    assert (second["scale"], second["offset"]) == (0.0001, -0.1)


@pytest.mark.parametrize(
    ("nodata", "expected"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"), (-9999.0, -9999.0)]
)
def test_nodata_is_strict_json(make_raster, nodata, expected):
    meta = described(make_raster(dtype="float32", nodata=nodata))
    assert meta["nodata"] == expected
    assert meta["bands"][0]["nodata"] == expected


def test_a_band_without_data_has_no_statistics(make_raster):
    band = described(make_raster(bands=np.full((1, 4, 4), np.nan, dtype=np.float32)))["bands"][0]
    assert [band[name] for name in ("min", "max", "mean", "std", "p2", "p98")] == [None] * 6


def test_no_georeferencing_is_said_so(make_raster):
    meta = described(make_raster(crs=None))
    for name in ("crs", "transform", "bounds", "bounds_wgs84", "x_resolution", "y_resolution", "unit"):
        assert meta[name] is None
    assert meta["georeferenced"] is False


def test_a_transform_without_crs_is_kept(make_raster):
    meta = described(make_raster(crs=None, transform=from_origin(100, 200, 2, 2), size=(10, 10)))
    assert meta["transform"] == [2, 0, 100, 0, -2, 200]
    assert meta["bounds"] == [100, 180, 120, 200]
    assert meta["crs"] is None
    assert meta["georeferenced"] is False


def test_a_rotated_raster_is_bounded_by_its_corners(make_raster):
    transform = Affine.translation(500_000, 4_400_000) @ Affine.rotation(30) @ Affine.scale(2, -3)
    meta = described(make_raster(transform=transform, size=(100, 50)))
    assert meta["rotated"] is True
    assert meta["transform"] == pytest.approx(list(transform)[:6])
    assert (meta["x_resolution"], meta["y_resolution"]) == pytest.approx((2, 3))
    corners = np.array([transform @ corner for corner in ((0, 0), (100, 0), (0, 50), (100, 50))])
    assert meta["bounds"] == pytest.approx([*corners.min(axis=0), *corners.max(axis=0)])


def test_ground_control_points_place_a_raster(make_raster):
    gcps = [GroundControlPoint(row, col, 10 + col * 0.01, 50 - row * 0.01) for row in (0, 48) for col in (0, 64)]
    meta = described(make_raster(crs="EPSG:4326", gcps=gcps))
    assert (meta["gcps"], meta["georeferenced"], meta["transform"]) == (4, True, None)
    assert meta["crs"]["epsg"] == 4326
    assert meta["unit"] == "degree"
    assert meta["bounds_wgs84"] == pytest.approx([10, 49.52, 10.64, 50])


def test_an_unnamed_crs_has_no_epsg(make_raster):
    crs = "+proj=laea +lat_0=12.3 +lon_0=45.6 +datum=WGS84 +units=m"
    meta = described(make_raster(crs=crs, transform=from_origin(0, 0, 10, 10)))
    assert meta["crs"]["epsg"] is None
    assert "Lambert_Azimuthal_Equal_Area" in meta["crs"]["wkt"]
    assert meta["georeferenced"] is True


def test_a_local_crs_has_no_place_on_earth(make_raster):
    meta = described(make_raster(crs='LOCAL_CS["site grid",UNIT["metre",1]]', transform=from_origin(5, 6, 1, 1)))
    assert meta["crs"]["name"] == "site grid"
    assert meta["bounds"] is not None
    assert meta["bounds_wgs84"] is None
    assert meta["georeferenced"] is False


def test_places_outside_the_projection_give_no_degrees(make_raster):
    meta = described(make_raster(transform=from_origin(1e30, 1e30, 1e20, 1e20)))
    assert meta["bounds_wgs84"] is None
    assert meta["georeferenced"] is False


@pytest.mark.parametrize(("driver", "suffix"), [("PNG", "png"), ("JPEG", "jpg"), ("JP2OpenJPEG", "jp2")])
def test_other_formats(make_raster, driver, suffix):
    meta = described(make_raster(f"picture.{suffix}", driver=driver, crs=None))
    assert (meta["driver"], meta["width"], meta["height"], meta["band_count"]) == (driver, 64, 48, 3)


def test_a_stored_raster_is_ready_to_be_drawn_afterwards(make_raster, monkeypatch):
    monkeypatch.setattr(reduced, "MIN_REDUCED_PX", 100)
    path = make_raster("source.tif", size=(300, 200))
    assert described(path)["overviews"] == []
    assert path.with_name(reduced.REDUCED_NAME).exists()
    monkeypatch.setattr(reduced, "_write_copy", lambda *_: pytest.fail("made again"))
    described(path)
