"""Where the windows of a raster lie, and which of them answers for which pixel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

from server.rasters.windows import PixelWindow, plan_starts
from server.segmentation.whole_raster.rectangles import intersect

# Share of a window that its neighbour sees too. Between two unreliable rims it leaves a strip, half as wide as the
# overlap, that both windows see well; more overlap would cost more windows than the second look does.
OVERLAP_SHARE = 0.25
# Share of a window along its inner borders where networks see too little context to be trusted.
RIM_SHARE = 1 / 16


@dataclass(frozen=True)
class WindowPlan:
    """A grid of overlapping windows and the cells into which their nearest centres divide the region.

    Attributes:
        region: the part of the raster that the windows cover.
        windows: row by row.
        cells: one per window: the pixels nearest to its centre; together they cover the region once.
        rim_px: width of the strip along a window's inner borders that is not to be trusted, in pixels of the raster.
    """

    region: PixelWindow
    windows: tuple[PixelWindow, ...]
    cells: tuple[PixelWindow, ...]
    rim_px: int
    _col_edges: tuple[int, ...]
    _row_edges: tuple[int, ...]

    @property
    def n_columns(self) -> int:
        """Windows side by side."""
        return len(self._col_edges) - 1

    def owner(self, x: float, y: float) -> int:
        """Return the number of the window whose cell holds a place of the region."""
        col = min(max(bisect_right(self._col_edges, x) - 1, 0), self.n_columns - 1)
        row = min(max(bisect_right(self._row_edges, y) - 1, 0), len(self._row_edges) - 2)
        return row * self.n_columns + col

    def overlapping_pairs(self) -> Iterator[tuple[int, int, PixelWindow]]:
        """Yield (first, second, overlap) of all windows that share pixels, `first` smaller than `second`."""
        for first, window in enumerate(self.windows):
            for second in self._after(first):
                overlap = intersect(window, self.windows[second])
                if overlap is not None:
                    yield first, second, overlap

    def neighbours(self, number: int) -> list[int]:
        """Return the windows whose cells share a side with that of window `number`."""
        row, col = divmod(number, self.n_columns)
        around = [(row - 1, col), (row, col - 1), (row, col + 1), (row + 1, col)]
        n_rows = len(self._row_edges) - 1
        return [
            to_row * self.n_columns + to_col
            for to_row, to_col in around
            if 0 <= to_row < n_rows and 0 <= to_col < self.n_columns
        ]

    def _after(self, number: int) -> Iterator[int]:
        """Yield the later windows that may overlap; with half a window of overlap that is two cells away at most."""
        row, col = divmod(number, self.n_columns)
        for to_row, to_col in product(range(row, row + 3), range(col - 2, col + 3)):
            later = to_row * self.n_columns + to_col
            if 0 <= to_col < self.n_columns and number < later < len(self.windows):
                yield later


def plan_grid(region: PixelWindow, size_px: int) -> WindowPlan:
    """Plan windows of `size_px` pixels of the raster over `region`."""
    overlap = int(size_px * OVERLAP_SHARE)
    cols = [region.col + start for start in plan_starts(region.width, size_px, overlap)]
    rows = [region.row + start for start in plan_starts(region.height, size_px, overlap)]
    width, height = min(size_px, region.width), min(size_px, region.height)
    col_edges = _cut_between(cols, width, region.col + region.width)
    row_edges = _cut_between(rows, height, region.row + region.height)
    return WindowPlan(
        region=region,
        windows=tuple(PixelWindow(col, row, width, height) for row in rows for col in cols),
        cells=tuple(
            PixelWindow(left, top, end - left, below - top)
            for top, below in pairwise(row_edges)
            for left, end in pairwise(col_edges)
        ),
        rim_px=int(size_px * RIM_SHARE),
        _col_edges=tuple(col_edges),
        _row_edges=tuple(row_edges),
    )


def _cut_between(starts: list[int], size: int, end: int) -> list[int]:
    """Return the borders of the cells along one side, which lie in the middle of each overlap."""
    return [starts[0], *((start + size + following) // 2 for start, following in pairwise(starts)), end]
