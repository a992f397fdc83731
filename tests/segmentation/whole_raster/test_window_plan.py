"""Cells divide the region, lie inside their windows, and every overlap is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.rasters.windows import PixelWindow
from server.segmentation.whole_raster.rectangles import intersect
from server.segmentation.whole_raster.window_plan import OVERLAP_SHARE, plan_grid

REGIONS = st.builds(PixelWindow, st.integers(0, 90), st.integers(0, 90), st.integers(1, 400), st.integers(1, 400))


@given(REGIONS, st.integers(16, 150))
def test_cells_divide_the_region(region: PixelWindow, size: int) -> None:
    plan = plan_grid(region, size)
    owners = np.zeros((region.height, region.width), dtype=int)
    for number, (window, cell) in enumerate(zip(plan.windows, plan.cells, strict=True)):
        assert intersect(window, cell) == cell
        assert intersect(window, region) == window
        row, col = cell.row - region.row, cell.col - region.col
        owners[row : row + cell.height, col : col + cell.width] += number + 1
        assert plan.owner(cell.col + cell.width / 2, cell.row + cell.height / 2) == number
    assert owners.min() >= 1
    assert sum(cell.width * cell.height for cell in plan.cells) == region.width * region.height


@given(REGIONS, st.integers(64, 150))
def test_every_overlap_is_known_once(region: PixelWindow, size: int) -> None:
    plan = plan_grid(region, size)
    expected = [
        (first, second, overlap)
        for first, second in combinations(range(len(plan.windows)), 2)
        if (overlap := intersect(plan.windows[first], plan.windows[second])) is not None
    ]
    assert list(plan.overlapping_pairs()) == expected


@given(REGIONS, st.integers(16, 150))
def test_cells_end_before_the_rim_of_their_windows_begins(region: PixelWindow, size: int) -> None:
    plan = plan_grid(region, size)
    for window, cell in zip(plan.windows, plan.cells, strict=True):
        for side, length, limit in ((0, 2, region.col), (1, 3, region.row)):
            if window[side] > limit:
                assert cell[side] - window[side] >= int(size * OVERLAP_SHARE) // 2 >= plan.rim_px
            end = window[side] + window[length]
            if end < region[side] + region[length]:
                assert end - cell[side] - cell[length] >= int(size * OVERLAP_SHARE) // 2
