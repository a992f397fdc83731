"""Pixels to the map and back, for every way a raster can say where it lies."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod, Proj
from rasterio.control import GroundControlPoint
from rasterio.io import MemoryFile

from server.vectors.placement import Placement, read_placement

PIXELS = np.array([[0.0, 0.0], [8.0, 0.0], [3.25, 5.5], [8.0, 6.0]])
LOCAL = 'LOCAL_CS["site grid",UNIT["metre",1]]'


def place(transform: rasterio.Affine, crs: str | None, gcps: list[GroundControlPoint] | None = None) -> Placement:
    with MemoryFile() as memory:
        profile = {"driver": "GTiff", "width": 8, "height": 6, "count": 1, "dtype": "uint8"}
        with memory.open(**profile, crs=None if gcps else crs, transform=transform) as target:
            if gcps:
                target.gcps = (gcps, rasterio.CRS.from_string(str(crs)))
        with memory.open() as raster:
            return read_placement(raster)


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(-180, 180), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_there_and_back_by_transform(width: float, height: float, angle: float, x: float, y: float) -> None:
    turned = rasterio.Affine.translation(x, y) @ rasterio.Affine.rotation(angle)
    placement = place(turned @ rasterio.Affine.scale(width, -height), "EPSG:3857")
    np.testing.assert_allclose(placement.to_pixel(placement.to_map(PIXELS)), PIXELS, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform", "ignore:The given matrix is equal")
def test_there_and_back_by_inexact_control_points() -> None:
    rng = np.random.default_rng(0)
    gcps = [
        GroundControlPoint(row, col, 10 + 0.01 * col + 1e-3 * rng.normal(), 50 - 0.01 * row + 1e-3 * rng.normal(), 0.0)
        for row in (0, 3, 6)
        for col in (0, 4, 8)
    ]
    placement = place(rasterio.Affine.identity(), "EPSG:4326", gcps)
    assert placement.is_georeferenced
    np.testing.assert_allclose(placement.to_pixel(placement.to_map(PIXELS)), PIXELS, atol=0.01)


@pytest.mark.parametrize("crs", [None, LOCAL])
def test_a_raster_off_the_earth_has_no_degrees(crs: str | None) -> None:
    placement = place(rasterio.Affine(2, 0, 100, 0, -2, 50), crs)
    assert not placement.is_georeferenced
    assert placement.to_map(PIXELS[:1]).tolist() == [[100.0, 50.0]]


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform", "ignore:The given matrix is equal")
def test_a_crs_alone_places_nothing() -> None:
    placement = place(rasterio.Affine.identity(), "EPSG:4326")
    assert not placement.is_georeferenced
    np.testing.assert_array_equal(placement.to_map(PIXELS), PIXELS)


def test_degrees_and_back() -> None:
    placement = place(rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_400_000), "EPSG:32650")
    on_map = placement.to_map(PIXELS)
    degrees = placement.to_lonlat(on_map)
    np.testing.assert_allclose(degrees[0], [117.0, 39.74990752], atol=1e-7)
    np.testing.assert_allclose(placement.from_lonlat(degrees), on_map, atol=1e-6)


# A disc with a hole, in pixels, as outlines of masks are: many corners, and a long straight edge.
DISC = shapely.MultiPolygon([shapely.Point(200, 150).buffer(120).difference(shapely.box(180, 140, 230, 160))])


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32650", rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_400_000)),
        ("EPSG:3857", rasterio.Affine(30, 0, 1_000_000, 0, -30, 8_400_000)),
        ("EPSG:4326", rasterio.Affine(1e-4, 0, 10, 0, -1e-4, 60)),
        ("EPSG:4326", rasterio.Affine(1e-3, 0, 179.9, 0, -1e-3, 10)),  # crosses the antimeridian
        ("EPSG:3413", rasterio.Affine(100, 0, -20_000, 0, -100, 15_000)),  # holds the north pole
        ("EPSG:3413", rasterio.Affine(10, 0, 20_000, 0, -10, 15_000)),
    ],
)
def test_areas_are_those_between_geodesics(crs: str, transform: rasterio.Affine) -> None:
    placement = place(transform, crs)
    on_earth = shapely.transform(
        shapely.segmentize(DISC, 1.0), lambda points: placement.to_lonlat(placement.to_map(points))
    )
    expected, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(on_earth))
    assert placement.measure_m2(DISC) == pytest.approx(abs(expected), rel=1e-6)


def test_the_area_of_a_very_small_object_keeps_its_digits() -> None:
    placement = place(rasterio.Affine(0.1, 0, 420_000, 0, -0.1, 4_430_000), "EPSG:32650")
    square = shapely.MultiPolygon([shapely.box(10, 10, 13, 13)])
    lon, lat = placement.to_lonlat(placement.to_map(np.array([[11.5, 11.5]])))[0]
    expected = 0.09 / Proj("EPSG:32650").get_factors(lon, lat).areal_scale
    assert placement.measure_m2(square) == pytest.approx(expected, rel=1e-7)
