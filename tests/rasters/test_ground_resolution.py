"""Metres per pixel for projected rasters, degrees, stretched projections, and none at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from rasterio import Affine
from rasterio.transform import from_origin

from server.errors import BadParameter
from server.rasters.ground_resolution import read_pixel_size_m


def test_metres_of_a_projected_raster(make_raster: Callable[..., Path]) -> None:
    path = make_raster(transform=from_origin(500_000, 4_400_000, 0.5, 0.5))
    assert read_pixel_size_m(path) == pytest.approx(0.5, rel=0.01)


def test_a_rotated_raster_has_pixels_of_the_same_size(make_raster: Callable[..., Path]) -> None:
    transform = from_origin(500_000, 4_400_000, 2.0, 2.0) @ Affine.rotation(30)
    assert read_pixel_size_m(make_raster(transform=transform)) == pytest.approx(2.0, rel=0.01)


def test_degrees_at_the_central_latitude(make_raster: Callable[..., Path]) -> None:
    path = make_raster(size=(100, 100), crs="EPSG:4326", transform=from_origin(10, 60.05, 0.001, 0.001))
    assert read_pixel_size_m(path) == pytest.approx(111.2 * math.sqrt(math.cos(math.radians(60))), rel=0.01)


def test_web_mercator_is_stretched_away_from_the_equator(make_raster: Callable[..., Path]) -> None:
    path = make_raster(crs="EPSG:3857", transform=from_origin(1_000_000, 8_399_738, 1.0, 1.0))  # 60 degrees north
    assert read_pixel_size_m(path) == pytest.approx(0.5, rel=0.01)


def test_without_a_crs_it_is_refused(make_raster: Callable[..., Path]) -> None:
    with pytest.raises(BadParameter, match="coordinate reference system") as caught:
        read_pixel_size_m(make_raster(crs=None))
    assert caught.value.field == "resolution_m"
