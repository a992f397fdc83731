"""Coarse pictures come from overviews, or for stored rasters without any from a reduced copy that stays true."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import Resampling
from rasterio.windows import Window

from server.rasters import reduced
from server.rasters.opening import open_raster
from server.rasters.preview import render_preview
from server.rasters.reading import read_bands
from server.rasters.reduced import REDUCED_NAME, open_reduced
from server.rasters.tiles import read_tilejson, render_tile
from tests.rasters.pictures import read_png


@pytest.fixture(autouse=True)
def _reduce_small_rasters(monkeypatch):
    monkeypatch.setattr(reduced, "MIN_REDUCED_PX", 300)


@pytest.mark.parametrize(
    ("scale", "width"), [(0.5, 800), (1, 800), (1.9, 800), (2, 400), (3.9, 400), (4, 200), (100, 100)]
)
@pytest.mark.parametrize("has_own", [True, False])
def test_the_best_resolution_is_opened(make_raster, scale, width, has_own):
    path = make_raster("source.tif", size=(800, 500))
    if has_own:
        with rasterio.open(path, "r+") as raster:
            raster.build_overviews([2, 4, 8], Resampling.average)
    with open_reduced(path, scale) as raster:
        assert raster.width == width or (not has_own and scale == 100 and raster.width == 200)
        assert raster.bounds == pytest.approx((500_000, 4_399_750, 500_400, 4_400_000))
    assert path.with_name(REDUCED_NAME).exists() == (not has_own and scale >= 2)


@pytest.mark.parametrize(
    "layout", [{}, {"tiled": True, "blockxsize": 128, "blockysize": 256}, {"blockysize": 7}, {"interleave": "band"}]
)
def test_the_copy_is_the_average_of_the_pixels(make_raster, monkeypatch, layout):
    monkeypatch.setattr(reduced, "CHUNK_BYTES", 50_000)
    bands = np.random.default_rng(0).integers(0, 4000, (3, 400, 600)).astype(np.uint16)
    with open_reduced(make_raster("source.tif", bands=bands, **layout), 2) as raster:
        copy = raster.read().astype(float)
    assert copy == pytest.approx(bands.reshape(3, 200, 2, 300, 2).mean(axis=(2, 4)), abs=0.51)


def test_odd_sizes_keep_their_place(make_raster):
    with open_reduced(make_raster("source.tif", size=(501, 333)), 2) as raster:
        assert raster.shape == (167, 251)
        assert raster.bounds == pytest.approx((500_000, 4_400_000 - 166.5, 500_250.5, 4_400_000))


@pytest.mark.parametrize(
    ("size", "tiles"),
    [((3, 9000), (4096, 16)), ((9000, 3), (16, 4096)), ((40, 700), (352, 32)), ((700, 600), (256, 256))],
)
def test_tiles_of_narrow_rasters_are_narrow(make_raster, size, tiles):
    """In square tiles two columns and a million rows are computed with as if they were 256 columns."""
    width, height = size
    path = make_raster("source.tif", bands=np.arange(width * height, dtype=np.int32).reshape(1, height, width))
    with open_reduced(path, 2), rasterio.open(path.with_name(REDUCED_NAME)) as copy:
        assert copy.block_shapes == [tiles]
        assert copy.read(1)[0, 0] == pytest.approx((width + 1) / 2, abs=1)


@pytest.mark.parametrize("crs", [rasterio.CRS.from_epsg(4326), rasterio.CRS()])
def test_control_points_keep_their_place_even_without_a_crs(make_raster, crs):
    points = [GroundControlPoint(row, col, 10 + col, 50 - row) for row, col in ((0, 0), (0, 501), (333, 0))]
    path = make_raster("source.tif", size=(501, 333), crs=crs, transform=None, gcps=points)
    with open_reduced(path, 2) as raster:
        kept, crs_kept = raster.gcps
    assert crs_kept == (crs or None)
    assert [(point.row, point.col, point.x, point.y) for point in kept] == [
        (0, 0, 10, 50), (0, 251, 511, 50), (167, 0, 10, -283)
    ]  # fmt: skip


def test_nodata_masks_alpha_and_palettes_stay_true(make_raster):
    values = np.full((1, 400, 400), 7, dtype=np.uint8)
    values[:, :200] = 0
    kinds = {"nodata": make_raster("nodata/source.tif", bands=values, nodata=0)}
    kinds["mask"] = make_raster("mask/source.tif", bands=values)
    with rasterio.open(kinds["mask"], "r+") as raster:
        raster.write_mask(values[0] > 0)
    opacity = (values > 0).astype(np.uint8) * 255
    kinds["alpha"] = make_raster("alpha/source.tif", bands=np.concatenate([values] * 3 + [opacity]), alpha="yes")
    kinds["palette"] = make_raster("palette/source.tif", bands=values, nodata=0)
    with rasterio.open(kinds["palette"], "r+") as raster:
        raster.write_colormap(1, {0: (9, 9, 9, 255), 7: (1, 2, 3, 255)})
    for kind, path in kinds.items():
        picture = read_png(render_preview(path, max_size=100, mode="none"))
        assert path.with_name(REDUCED_NAME).exists(), kind
        assert (picture[:50, :, 3] == 0).all(), kind
        assert (picture[50:, :, 3] == 255).all(), kind
        if kind == "palette":
            assert (picture[50:, :, :3] == (1, 2, 3)).all()


def test_a_changed_raster_gets_a_new_copy(make_raster):
    path = make_raster("source.tif", bands=np.full((1, 400, 400), 50, dtype=np.uint8))
    with open_reduced(path, 2) as raster:
        assert raster.read().max() == 50
    with rasterio.open(path, "r+") as raster:
        raster.write(np.full((1, 400, 200), 90, dtype=np.uint8), window=Window(0, 0, 200, 400))
    with open_reduced(path, 2) as raster:
        assert raster.read().max() == 90
    assert sorted(item.name for item in path.parent.iterdir()) == [REDUCED_NAME, "source.tif"]


def test_a_late_world_file_moves_the_tiles(make_raster):
    path = make_raster("source.png", driver="PNG", crs=None, size=(400, 400))
    assert read_tilejson(path, "")["space"] == "pixel"
    assert render_tile(path, 0, 0, 0) is not None
    path.with_name("source.pgw").write_text("0.001\n0\n0\n-0.001\n10\n50\n")
    path.with_name("source.png.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    content = read_tilejson(path, "")
    assert content["space"] == "map"
    assert content["bounds"] == pytest.approx([9.9995, 49.6005, 10.3995, 50.0005])
    with open_reduced(path, 2) as raster:
        assert raster.crs.to_epsg() == 4326


def test_many_threads_make_one_copy(make_raster):
    path = make_raster("source.tif", size=(900, 700))
    tiles = read_tilejson(path, "")
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(lambda _: render_preview(path, max_size=200), range(16)))
    assert len(set(pictures)) == 1
    assert tiles["space"] == "map"
    with open_raster(path.with_name(REDUCED_NAME)) as raster:
        assert raster.shape == (350, 450)


def test_rasters_of_the_command_line_are_left_alone(make_raster):
    path = make_raster("mine.tif", size=(900, 700))
    render_preview(path, max_size=100)
    assert [item.name for item in path.parent.iterdir()] == ["mine.tif"]


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("int8", -1),
        ("int16", -9999),
        ("uint32", 0),
        ("int64", -5),
        ("uint64", 3),
        ("float32", np.nan),
        ("float64", -1e308),
        ("float32", None),
    ],
)
def test_gaps_of_every_type_stay_gaps(make_raster, dtype, nodata):
    bands = np.full((1, 400, 400), 100).astype(dtype)
    bands[:, :200] = np.nan if nodata is None else nodata
    with open_reduced(make_raster("source.tif", bands=bands, nodata=nodata), 4) as raster:
        assert raster.width == 100
        values, valid = read_bands(raster, (1,))
    assert valid[0].mean(axis=1).tolist() == [0.0] * 50 + [1.0] * 50
    assert (values[valid] == 100).all()
