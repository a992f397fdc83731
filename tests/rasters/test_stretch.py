"""The stretch is global, ignores what is no data, and never divides by nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.rasters.stretch import MID_GREY, Stretch, apply_stretch, read_stretch


def stretched(values, low: float, high: float):
    plane = np.atleast_2d(values)
    return apply_stretch(plane[None], np.ones(plane.shape, dtype=bool), Stretch((low,), (high,)))[..., 0]


def test_percentiles_of_12_bit_imagery_use_the_whole_range(make_raster):
    rng = np.random.default_rng(0)
    bands = rng.integers(200, 2200, (3, 100, 100)).astype(np.uint16)
    stretch = read_stretch(make_raster(bands=bands), (1, 2, 3))
    assert stretch.low == pytest.approx([np.percentile(band, 2) for band in bands])
    assert stretch.high == pytest.approx([np.percentile(band, 98) for band in bands])


def test_minmax_and_type_range(make_raster):
    path = make_raster(bands=np.array([[[3, 9], [4, 5]]], dtype=np.uint16))
    assert read_stretch(path, (1,), "minmax") == Stretch((3.0,), (9.0,))
    assert read_stretch(path, (1,), "none") == Stretch((0.0,), (65535.0,))
    signed = make_raster("s.tif", bands=np.ones((1, 4, 4), dtype=np.int16))
    assert read_stretch(signed, (1,), "none") == Stretch((-32768.0,), (32767.0,))
    floats = make_raster("f.tif", bands=np.ones((1, 4, 4), dtype=np.float32))
    assert read_stretch(floats, (1,), "none") == Stretch((0.0,), (1.0,))


def test_none_leaves_8_bit_values_alone(make_raster):
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    stretch = read_stretch(make_raster(bands=values), (1,), "none")
    drawn = apply_stretch(values, np.ones((16, 16), dtype=bool), stretch)
    assert np.array_equal(drawn[..., 0], values[0])


def test_rare_objects_on_an_even_ground_stay_visible(make_raster):
    values = np.zeros((1, 100, 100), dtype=np.uint8)
    values[0, :5, :5] = 1
    assert read_stretch(make_raster(bands=values), (1,)) == Stretch((0.0,), (1.0,))


def test_nodata_and_masked_pixels_do_not_count(make_raster):
    values = np.tile(np.arange(100, 200, dtype=np.int16), (1, 50, 1))
    values[:, :25] = -9999
    stretch = read_stretch(make_raster(bands=values, nodata=-9999), (1,))
    assert stretch.low[0] >= 100
    assert stretch.high[0] <= 199


@pytest.mark.parametrize("fill", [0, 255])
def test_a_band_without_contrast_is_mid_grey(make_raster, fill):
    values = np.full((1, 8, 8), fill, dtype=np.uint8)
    drawn = apply_stretch(values, np.ones((8, 8), dtype=bool), read_stretch(make_raster(bands=values), (1,)))
    assert (drawn == MID_GREY).all()


def test_a_raster_without_any_data_has_a_stretch(make_raster):
    values = np.full((1, 8, 8), np.nan, dtype=np.float32)
    stretch = read_stretch(make_raster(bands=values), (1,))
    drawn = apply_stretch(values, np.zeros((8, 8), dtype=bool), stretch)
    assert (drawn == 0).all()


def test_infinite_and_huge_values_are_clipped():
    values = np.array([[-np.inf, np.nan, 0.0, 1e308, np.inf]])
    assert stretched(values, 0.0, 1.0)[0].tolist() == [0, 0, 0, 255, 255]
    assert stretched(np.array([[-1e308, 1e308]]), -1e308, 1e308).dtype == np.uint8


@given(st.lists(st.integers(-32768, 32767), min_size=2, max_size=50), st.integers(-32768, 32000), st.integers(1, 700))
def test_the_order_of_values_is_kept(numbers, low, span):
    values = np.sort(np.array([numbers], dtype=np.int16))
    drawn = stretched(values, low, low + span)[0].astype(int)
    assert (np.diff(drawn) >= 0).all()
    assert (drawn[values[0] <= low] == 0).all()
    assert (drawn[values[0] >= low + span] == 255).all()
