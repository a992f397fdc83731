"""Blending over windows of any raster: the same numbers however many strips it takes, every pixel once."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.rasters.windows import PixelWindow
from server.segmentation.class_mode.blending import Logits, blend
from server.segmentation.whole_raster import window_plan
from server.vocabulary import strips
from server.vocabulary.strips import blend_queries, plan_grid


def run(region: PixelWindow, size: int, overlap: int, scene: np.ndarray) -> tuple[np.ndarray, int]:
    """Show windows of `scene`, each a little brighter than the last along its row; return what comes out, and looks."""
    blended, counts = np.zeros((2, region.height, region.width)), np.zeros((region.height, region.width), int)
    grid = plan_grid(region, size, overlap)
    n_looks = 0

    def look(window: PixelWindow) -> np.ndarray:
        nonlocal n_looks
        n_looks += 1
        part = scene[:, window.row :, window.col :][:, : window.height, : window.width]
        return (part + window.col / 100).astype(np.float32)

    def sink(part: PixelWindow, logits: np.ndarray) -> None:
        place = np.s_[part.row - region.row :, part.col - region.col :]
        blended[:, *place][:, : part.height, : part.width] = logits
        counts[place][: part.height, : part.width] += 1

    blend_queries(grid, 2, look, sink)
    assert (counts == 1).all()
    assert n_looks == grid.count_looks(2)
    return blended, n_looks


@settings(max_examples=40)
@given(st.integers(1, 150), st.integers(1, 60), st.integers(8, 30), st.integers(0, 7), st.integers(0, 5))
def test_strips_change_nothing(width: int, height: int, size: int, overlap: int, corner: int) -> None:
    region = PixelWindow(corner, 2 * corner, width, height)
    scene = np.random.default_rng(0).normal(size=(2, height + 10, width + 5))
    whole, n_looks = run(region, size, overlap, scene)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "MAX_WAITING_BYTES", 1)
        in_strips, n_in_strips = run(region, size, overlap, scene)
    np.testing.assert_allclose(in_strips, whole, atol=1e-6)
    assert n_looks <= n_in_strips <= 2.1 * n_looks + 2


def test_one_query_is_blended_as_in_class_mode() -> None:
    """With the overlap of class mode both ways of blending must agree."""
    region, size = PixelWindow(3, 1, 90, 70), 32
    scene = np.random.default_rng(0).normal(size=(80, 100)).astype(np.float32)
    expected = np.zeros((70, 90), np.float32)

    def look(window: PixelWindow) -> Logits:
        return scene[window.row :, window.col :][: window.height, : window.width] * (1 + window.row)

    def keep(strip: PixelWindow, logits: Logits) -> None:
        expected[strip.row - region.row :][: strip.height] = logits

    blend(window_plan.plan_grid(region, size), look, keep)
    found = np.zeros_like(expected)

    def sink(part: PixelWindow, logits: np.ndarray) -> None:
        found[part.row - region.row :][: part.height] = logits[0]

    grid = plan_grid(region, size, int(size * window_plan.OVERLAP_SHARE))
    blend_queries(grid, 1, lambda window: look(window)[None], sink)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_windows_without_data_say_nothing() -> None:
    parts: list[np.ndarray] = []
    grid = plan_grid(PixelWindow(0, 0, 40, 20), 20, 0)
    ones = np.ones((1, 20, 20), np.float32)
    blend_queries(grid, 1, lambda window: None if window.col else ones, lambda _, logits: parts.append(logits.copy()))
    assert (parts[0][0, :, :20] == 1).all()
    assert (parts[0][0, :, 20:] == 0).all()


def test_memory_does_not_grow_with_the_raster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "MAX_WAITING_BYTES", 4 * 5 * 64 * 256)
    peaks = []
    for side in (512, 2048):
        grid = plan_grid(PixelWindow(0, 0, side, side), 64, 16)
        seen = np.ones((5, 64, 64), np.float32)
        tracemalloc.start()
        blend_queries(grid, 5, lambda window: seen, lambda part, logits: None)  # noqa: B023 - called at once
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
