"""Every look shows its prompts, lies on the raster, and is shared by clicks close to each other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.rasters.windows import PixelWindow
from server.segmentation.prompting.looks import Looks
from server.segmentation.prompting.prompts import Extent

SHARES = st.tuples(*[st.floats(0, 1)] * 4)
SIDES = st.integers(1, 6000)


def extent_of(shares: tuple[float, ...], width: int, height: int) -> Extent:
    (x0, x1), (y0, y1) = sorted(shares[:2]), sorted(shares[2:])
    return Extent(x0 * width, y0 * height, x1 * width, y1 * height)


@given(SIDES, SIDES, SHARES)
def test_a_look_shows_its_prompts_and_lies_on_the_raster(width: int, height: int, shares: tuple[float, ...]) -> None:
    looks, extent = Looks(width, height, 64), extent_of(shares, width, height)
    look = looks.around(extent)
    seen = 0
    while look is not None:
        col, row, n_cols, n_rows = look.window
        assert col >= 0
        assert row >= 0
        assert col + n_cols <= width
        assert row + n_rows <= height
        assert col <= extent.x0 <= extent.x1 <= col + n_cols
        assert row <= extent.y0 <= extent.y1 <= row + n_rows
        assert min(look.shape) >= 1
        assert max(look.shape) <= 64
        assert max(look.shape) == min(64, max(n_cols, n_rows))
        seen, look = seen + 1, looks.coarser(look, extent)
    assert seen <= 2 + np.log2(max(width, height) / 64 + 1)  # each sees at least twice as far, the last one everything


@given(st.floats(0, 4000), st.floats(0, 4000))
def test_a_click_sees_native_pixels_around_it(x: float, y: float) -> None:
    look = Looks(4000, 4000, 512).around(Extent(x, y, x, y))
    assert look.is_native
    for place, start, length in ((x, look.window.col, 4000), (y, look.window.row, 4000)):
        assert place - start >= 128 or start == 0
        assert start + 512 - place >= 128 or start + 512 == length


def test_a_field_of_clicks_shares_few_windows() -> None:
    looks = Looks(4096, 4096, 512)
    windows = {looks.around(Extent(x, y, x, y)).window for x in range(0, 4096, 37) for y in range(0, 4096, 37)}
    assert len(windows) == 15 * 15  # half a window apart


def test_a_large_box_is_seen_from_further_away() -> None:
    looks = Looks(10_000, 10_000, 512)
    assert looks.around(Extent(5000, 5000, 5400, 5100)).window.width == 512
    assert looks.around(Extent(5000, 5000, 5480, 5100)).window.width == 1024
    assert looks.around(Extent(100, 100, 9000, 200)) == looks.around(Extent(0, 0, 10_000, 10_000))
    assert looks.around(Extent(100, 100, 9000, 200)).window == PixelWindow(0, 0, 10_000, 10_000)


def test_centring_keeps_the_resolution_and_tells_when_it_is_useless() -> None:
    looks = Looks(4096, 4096, 512)
    look = looks.around(Extent(1000, 1000, 1000, 1000))
    assert look.window == PixelWindow(768, 768, 512, 512)
    cut = Extent(1150, 950, 1280, 1050)
    moved = looks.centre(look, cut)
    assert moved is not None
    assert moved.is_native
    assert moved.window.col <= cut.x0 - 32
    assert moved.window.col + 512 >= cut.x1 + 130  # it may go on as far as it was seen
    assert looks.centre(look, Extent(768, 950, 1280, 1050)) is None  # cut on both sides
    assert looks.centre(moved, Extent(1150, 950, 1400, 1050)) is None  # nothing new to see


def test_a_small_raster_is_seen_whole() -> None:
    look = Looks(300, 200, 512).around(Extent(10, 10, 10, 10))
    assert (look.window, look.shape) == (PixelWindow(0, 0, 300, 200), (200, 300))
    assert Looks(300, 200, 512).coarser(look, Extent(10, 10, 10, 10)) is None
