"""Statistics are numpy's own for small rasters, close to them for large ones, and kept until a file changes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window

from server.rasters.opening import open_raster
from server.rasters.sampling import plan_cells, sample_shape
from server.rasters.statistics import CACHE_NAME, BandStatistics, read_statistics


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_small_rasters_are_exact(make_raster, dtype):
    bands = np.random.default_rng(0).integers(0, 120, (2, 50, 70)).astype(dtype)
    known = read_statistics(make_raster(bands=bands))
    assert not known.approximate
    for band, values in zip(known.bands, bands.astype(np.float64), strict=True):
        assert (band.min, band.max) == (values.min(), values.max())
        assert band.mean == pytest.approx(values.mean())
        assert band.std == pytest.approx(values.std())
        assert [band.p2, band.p98] == pytest.approx(np.percentile(values, (2, 98)))


def test_what_is_no_data_does_not_count(make_raster):
    bands = np.full((3, 20, 20), 5, dtype=np.float32)
    bands[0, :10] = -9999
    bands[1, :10], bands[1, 10] = np.nan, np.inf
    bands[2] = np.nan
    known = read_statistics(make_raster(bands=bands, nodata=-9999))
    for band in known.bands[:2]:
        assert (band.min, band.max, band.mean, band.std) == (5, 5, 5, 0)
    assert known.bands[2] == BandStatistics()


def test_transparent_and_masked_pixels_do_not_count(make_raster):
    bands = np.full((4, 20, 20), 50, dtype=np.uint8)
    bands[:3, :5] = 255
    bands[3, :5] = 0
    path = make_raster(bands=bands, photometric="rgb", alpha="yes")
    assert read_statistics(path).bands[0].max == 50
    masked = make_raster("masked.tif", bands=bands[:3])
    with rasterio.open(masked, "r+") as raster:
        raster.write_mask(bands[3] > 0)
    assert read_statistics(masked).bands[0].max == 50


def test_huge_floats_give_numbers_or_nothing(make_raster):
    bands = np.array([[[-1.7e308, 1.7e308], [0.0, 1.0]]])
    known = read_statistics(make_raster(bands=bands))
    json.dumps([vars(band) for band in known.bands], allow_nan=False)
    assert known.bands[0].max == 1.7e308


@pytest.mark.parametrize(
    "layout", [{"tiled": True, "blockxsize": 128, "blockysize": 128}, {"blockysize": 1}, {"blockysize": 64}]
)
@pytest.mark.parametrize("name", ["source.tif", "elsewhere.tif"])
def test_large_rasters_are_close(make_raster, monkeypatch, layout, name):
    """Noise shows at once whether averaged pixels were taken for real ones."""
    monkeypatch.setattr("server.rasters.sampling.MAX_READ_BYTES", 2**21)
    monkeypatch.setattr("server.rasters.sampling.CELL_PX", 2**14)
    ramp = np.linspace(0, 500, 2500)
    noise = np.random.default_rng(0).integers(200, 3000, (1, 2500, 2500)) + ramp + ramp[:, None]
    known = read_statistics(make_raster(name, bands=noise.astype(np.uint16), compress="deflate", zlevel=1, **layout))
    assert known.approximate
    band, truth = known.bands[0], noise
    assert band.p2 == pytest.approx(np.percentile(truth, 2), abs=40)
    assert band.p98 == pytest.approx(np.percentile(truth, 98), abs=40)
    assert band.std == pytest.approx(truth.std(), rel=0.02)


def test_data_in_one_corner_is_found(make_raster, monkeypatch):
    monkeypatch.setattr("server.rasters.sampling.MAX_READ_BYTES", 1)
    monkeypatch.setattr("server.rasters.sampling.MIN_CELLS", 1)
    bands = np.zeros((1, 1500, 1500), dtype=np.uint8)
    bands[0, -20:, -20:] = 9
    known = read_statistics(make_raster(bands=bands, nodata=0, tiled=True, blockxsize=256, blockysize=256))
    assert known.bands[0].max == 9


def test_overviews_are_used(make_raster):
    path = make_raster(bands=np.zeros((1, 1100, 1100), dtype=np.uint8))
    with rasterio.open(path, "r+") as raster:
        raster.build_overviews([4], Resampling.nearest)
    with rasterio.open(path, "r+") as raster:
        raster.write(np.full((1, 1100, 1100), 7, dtype=np.uint8))
    assert sample_shape(rasterio.open(path), 1024) == (1024, 1024)
    assert read_statistics(path).approximate


@pytest.mark.parametrize("shape", [(5000, 3000), (1200, 9000), (4096, 4096)])
def test_cells_cover_the_raster_once_and_evenly(make_raster, monkeypatch, shape):
    monkeypatch.setattr("server.rasters.sampling.MAX_READ_BYTES", 1)
    monkeypatch.setattr("server.rasters.sampling.MIN_CELLS", 16)
    path = make_raster(size=shape, bands=1, sparse_ok=True, tiled=True, blockxsize=256, blockysize=256)
    with open_raster(path) as raster:
        chosen, rest = plan_cells(raster)
    assert len(chosen) == 16
    seen = np.zeros(shape[::-1], dtype=np.uint8)
    for cell in chosen + rest:
        seen[cell.toslices()] += 1
    assert (seen == 1).all()
    middle = np.mean([(cell.col_off + cell.width / 2, cell.row_off + cell.height / 2) for cell in chosen], axis=0)
    assert middle / shape == pytest.approx([0.5, 0.5], abs=0.15)


def test_statistics_are_kept_until_a_file_changes(make_raster, monkeypatch):
    path = make_raster("source.tif", bands=np.full((1, 8, 8), 3, dtype=np.uint8))
    first = read_statistics(path)
    cache = path.with_name(CACHE_NAME)
    assert cache.exists()
    with monkeypatch.context() as patch:
        patch.setattr("server.rasters.statistics.sample_bands", lambda raster: pytest.fail("computed again"))
        assert read_statistics(path) == first
    with rasterio.open(path, "r+") as raster:
        raster.write(np.full((1, 4, 4), 9, dtype=np.uint8), window=Window(0, 0, 4, 4))
    assert read_statistics(path).bands[0].max == 9
    path.with_name("source.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>9</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    assert read_statistics(path).bands[0].max == 3
    cache.write_text("{broken")
    assert read_statistics(path).bands[0].max == 3
    assert [item.name for item in path.parent.iterdir() if item.name.startswith(".")] == []


def test_nothing_is_left_beside_other_rasters(make_raster):
    path = make_raster("mine.tif")
    read_statistics(path)
    assert [item.name for item in path.parent.iterdir()] == ["mine.tif"]
