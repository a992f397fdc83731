"""No tile costs minutes, however far its zoom is from the raster's own."""

from __future__ import annotations

import time

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling

from server.rasters.tiles import render_tile


@pytest.fixture(scope="module")
def dot(tmp_path_factory):
    """A raster of 230 km with nodata and one overview, as some converters write them."""
    path = tmp_path_factory.mktemp("dot") / "dot.tif"
    profile = {"driver": "GTiff", "width": 770, "height": 781, "count": 3, "dtype": "uint16", "tiled": True,
               "blockxsize": 512, "blockysize": 512, "compress": "deflate", "crs": "EPSG:32618", "nodata": 0,
               "transform": rasterio.Affine(300.04, 0, 547_185, 0, -300.04, 5_216_115)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(np.random.default_rng(1).integers(1, 3000, (3, 781, 770), dtype="uint16"))
        target.build_overviews([2], Resampling.average)
    return path


@pytest.mark.parametrize(("zoom", "x", "y"), [(0, 0, 0), (1, 0, 0), (2, 1, 1), (3, 2, 2)])
def test_a_raster_that_is_a_dot_on_the_tile_is_drawn_quickly(dot, zoom, x, y):
    started = time.process_time()
    assert render_tile(dot, zoom, x, y) is not None
    assert time.process_time() - started < 5
