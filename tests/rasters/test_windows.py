"""Windows cover every pixel, and patches are what the whole raster's stretch makes of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadParameter
from server.rasters.windows import PatchReader, PixelWindow, check_window, plan_windows


@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    size=st.integers(1, 300),
    overlap_share=st.floats(0.0, 0.95),
)
def test_windows_cover_every_pixel(width, height, size, overlap_share):
    overlap = min(int(size * overlap_share), size - 1)
    size = max(size, 20)
    windows = plan_windows(width, height, size=size, overlap=overlap)
    seen = np.zeros((height, width), dtype=np.uint16)
    for window in windows:
        assert (window.width, window.height) == (min(size, width), min(size, height))
        assert window.col >= 0
        assert window.row >= 0
        assert window.col + window.width <= width
        assert window.row + window.height <= height
        seen[window.row : window.row + window.height, window.col : window.col + window.width] += 1
    assert seen.min() >= 1
    assert len(set(windows)) == len(windows)


@given(length=st.integers(301, 2000), overlap=st.integers(0, 150))
def test_neighbours_share_at_least_the_overlap(length, overlap):
    windows = plan_windows(length, 10, size=300, overlap=overlap)
    for left, right in itertools.pairwise(windows):
        assert left.col + left.width - right.col >= overlap
    assert windows[-1].col + windows[-1].width == length


@pytest.mark.parametrize("sizes", [(0, 5, 5, 0), (5, 5, 0, 0), (5, 5, 4, 4), (5, 5, 4, -1)])
def test_impossible_plans_are_refused(sizes):
    width, height, size, overlap = sizes
    with pytest.raises(ValueError, match="no windows"):
        plan_windows(width, height, size=size, overlap=overlap)


def test_a_window_inside_the_raster_is_accepted(make_raster):
    path = make_raster(size=(64, 48))
    assert check_window(path, [0, 0, 64, 48]) == PixelWindow(0, 0, 64, 48)
    assert check_window(path, [60, 40, 4, 8]) == (60, 40, 4, 8)


@pytest.mark.parametrize(
    "window", [[0, 0, 65, 48], [-1, 0, 4, 4], [0, 0, 0, 4], [1, 2, 3], [64, 0, 1, 1], [0, 0, 10**12, 1]]
)
def test_a_window_outside_names_its_field(make_raster, window):
    with pytest.raises(BadParameter, match=r"four numbers|64 x 48") as caught:
        check_window(make_raster(size=(64, 48)), window)
    assert caught.value.field == "window"


def test_patches_show_the_chosen_bands_in_order(make_raster):
    bands = np.zeros((4, 20, 30), dtype=np.uint16)
    bands[0], bands[1], bands[2] = np.arange(30), np.arange(30)[::-1], 7
    bands[3] = np.arange(20)[:, None]
    with PatchReader(make_raster(bands=bands), (4, 1, 2)) as reader:
        patch = reader.read_patch(PixelWindow(0, 0, 30, 20))
    assert patch.rgb.shape == (20, 30, 3)
    assert patch.rgb.dtype == np.uint8
    assert (np.diff(patch.rgb[:, 0, 0].astype(int)) >= 0).all()
    assert patch.rgb[-1, 0, 0] == 255
    assert patch.rgb[0, -1, 1] == 255
    assert patch.rgb[0, 0, 2] == 255


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_every_type_gives_the_same_contrast_in_every_window(make_raster, dtype):
    ramp = np.broadcast_to(np.linspace(0, 100, 200), (3, 100, 200)).astype(dtype)
    with PatchReader(make_raster(bands=ramp), (1, 2, 3)) as reader:
        whole = reader.read_patch(PixelWindow(0, 0, 200, 100))
        part = reader.read_patch(PixelWindow(150, 40, 50, 20))
    assert whole.valid.all()
    assert whole.rgb.min() == 0
    assert whole.rgb.max() == 255
    assert np.array_equal(part.rgb, whole.rgb[40:60, 150:200])


def test_nodata_and_nan_are_not_valid_and_do_not_stretch(make_raster):
    bands = np.tile(np.linspace(10, 20, 40, dtype=np.float32), (3, 30, 1))
    bands[:, :10] = -9999
    bands[:, 10:12] = np.nan
    bands[1, 20] = -9999  # one channel missing: the pixel is still seen
    with PatchReader(make_raster(bands=bands, nodata=-9999), (1, 2, 3)) as reader:
        patch = reader.read_patch(PixelWindow(0, 0, 40, 30))
    assert not patch.valid[:12].any()
    assert patch.valid[12:].all()
    assert (patch.rgb[:12] == 0).all()
    assert patch.rgb[15, -1].tolist() == [255, 255, 255]
    assert patch.rgb[20, -1].tolist() == [255, 0, 255]
