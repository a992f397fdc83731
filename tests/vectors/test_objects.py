"""The object under a click."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from server.vectors.objects import find_object

Maker = Callable[..., tuple[Path, Path]]
ROTATED = rasterio.Affine(0.4, 0.3, 500_000, 0.3, -0.4, 4_400_000)


def test_every_pixel_leads_to_its_object(make_result: Maker, sample: np.ndarray) -> None:
    labels, objects = make_result(sample, crs="EPSG:32650", transform=ROTATED)
    to_lonlat = Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True)
    for (row, col), expected in np.ndenumerate(sample):
        lon, lat = to_lonlat.transform(*(ROTATED @ (col + 0.5, row + 0.5)))
        for found in (
            find_object(labels, objects, lon, lat),
            find_object(labels, objects, col + 0.5, row + 0.5, space="pixel"),
        ):
            assert (found["id"] if found else 0) == expected


@pytest.mark.parametrize(("x", "y"), [(-0.1, 0.5), (0.5, -0.1), (8.0, 0.5), (0.5, 6.0), (math.inf, 1), (1, math.nan)])
def test_places_outside_have_no_object(make_result: Maker, sample: np.ndarray, x: float, y: float) -> None:
    labels, objects = make_result(sample)
    assert find_object(labels, objects, x, y, space="pixel") is None


@pytest.mark.parametrize(("lon", "lat"), [(0.0, 0.0), (180.0, 90.0), (1e6, 1e6), (math.inf, math.nan)])
def test_far_places_have_no_object(make_result: Maker, sample: np.ndarray, lon: float, lat: float) -> None:
    labels, objects = make_result(sample)
    assert find_object(labels, objects, lon, lat) is None


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_without_crs_map_means_pixels(make_result: Maker, sample: np.ndarray) -> None:
    labels, objects = make_result(sample, crs=None)
    found = find_object(labels, objects, 7.5, 0.5)
    assert found is not None
    assert (found["id"], found["type"], found["geometry"]["type"]) == (5, "Feature", "Polygon")
