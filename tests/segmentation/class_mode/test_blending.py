"""Overlapping windows become one map: every pixel is covered once in sum, and no border shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.rasters.windows import PixelWindow
from server.segmentation.class_mode.blending import Logits, blend, share_weights
from server.segmentation.whole_raster.window_plan import plan_grid


def run(region: PixelWindow, size: int, look: object) -> tuple[np.ndarray, list[PixelWindow], int]:
    strips: list[PixelWindow] = []
    blended = np.full((region.height, region.width), np.nan, np.float32)

    def keep(strip: PixelWindow, logits: Logits) -> None:
        strips.append(strip)
        blended[strip.row - region.row : strip.row - region.row + strip.height] = logits

    return blended, strips, blend(plan_grid(region, size), look, keep)  # type: ignore[arg-type]


@given(st.integers(1, 90), st.integers(1, 90), st.integers(8, 40), st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_windows_that_agree_give_what_they_say(width: int, height: int, size: int, corner: tuple[int, int]) -> None:
    region = PixelWindow(*corner, width, height)
    truth = np.random.default_rng(0).normal(size=(height + 5, width + 5)).astype(np.float32)

    def look(window: PixelWindow) -> Logits:
        return truth[window.row : window.row + window.height, window.col : window.col + window.width]

    blended, strips, n_empty = run(region, size, look)
    expected = truth[region.row : region.row + height, region.col : region.col + width]
    np.testing.assert_allclose(blended, expected, atol=1e-5)
    assert sum(strip.height for strip in strips) == height
    assert all((strip.col, strip.width) == (region.col, width) for strip in strips)
    assert n_empty == 0


def test_windows_that_disagree_leave_no_step() -> None:
    region = PixelWindow(0, 0, 112, 32)  # three windows of 64, with 40 pixels of overlap each
    starts = [window.col for window in plan_grid(region, 64).windows]

    def look(window: PixelWindow) -> Logits:
        return np.full((window.height, window.width), float(starts.index(window.col)), np.float32)

    blended, _, _ = run(region, 64, look)
    assert (blended[0, 0], blended[0, -1]) == (0.0, len(starts) - 1)
    assert np.abs(np.diff(blended[0])).max() < 0.1


def test_windows_without_data_say_nothing() -> None:
    region = PixelWindow(0, 0, 100, 20)

    def look(window: PixelWindow) -> Logits | None:
        return None if window.col else np.ones((window.height, window.width), np.float32)

    blended, _, n_empty = run(region, 40, look)
    assert n_empty == 2
    assert (blended[:, 70:] == 0).all()
    assert (blended[:, :20] == 1).all()


def test_weights_fall_towards_inner_borders() -> None:
    first, second = share_weights([0, 48], 64, 0, 112)
    assert first[:48] == pytest.approx(1.0)
    assert (np.diff(first[48:]) < 0).all()
    assert first[48:] + second[:16] == pytest.approx(1.0)
