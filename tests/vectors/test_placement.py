"""Pixels to the map and back, for every way a raster can say where it lies."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
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
