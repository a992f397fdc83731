"""Blends the logits of many queries over windows of a raster of any size, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow, plan_starts
from server.segmentation.class_mode.blending import share_weights

# Logits that wait for the next row of windows. Wider rasters are cut into strips, whose common windows are seen twice.
MAX_WAITING_BYTES = 128 << 20

Logits = NDArray[np.float32]
# Returns float32 (Q, window.height, window.width); None where the window holds no data.
Look = Callable[[PixelWindow], Logits | None]
# Takes finished logits (Q, part.height, part.width); parts cover the region once.
Sink = Callable[[PixelWindow, Logits], None]


@dataclass(frozen=True)
class WindowGrid:
    """Overlapping windows in rows and columns.

    Attributes:
        region: the part of the raster that the windows cover.
        cols: where columns of windows begin.
        rows: where rows of windows begin.
        width: of every window.
        height: of every window.
    """

    region: PixelWindow
    cols: tuple[int, ...]
    rows: tuple[int, ...]
    width: int
    height: int

    def strips(self, n_queries: int) -> list[tuple[int, int]]:
        """Return (first, end) columns of pixels of strips narrow enough for the logits of so many queries."""
        widest = max(2 * self.width, MAX_WAITING_BYTES // (n_queries * self.height * 4))
        n_strips = -(-self.region.width // widest)
        edges = [self.region.col + self.region.width * number // n_strips for number in range(n_strips + 1)]
        return list(pairwise(edges))

    def columns_in(self, first: int, end: int) -> list[int]:
        """Return numbers of the columns of windows that reach into pixels `first`..`end` - 1."""
        return [number for number, col in enumerate(self.cols) if col < end and col + self.width > first]

    def count_looks(self, n_queries: int) -> int:
        """Return how often windows are looked at in all."""
        return len(self.rows) * sum(len(self.columns_in(*strip)) for strip in self.strips(n_queries))


def plan_grid(region: PixelWindow, size: int, overlap: int) -> WindowGrid:
    """Plan windows of `size` pixels over `region` that share at least `overlap`, evenly spaced."""
    cols = tuple(region.col + start for start in plan_starts(region.width, size, overlap))
    rows = tuple(region.row + start for start in plan_starts(region.height, size, overlap))
    return WindowGrid(region, cols, rows, min(size, region.width), min(size, region.height))


def blend_queries(grid: WindowGrid, n_queries: int, look: Look, sink: Sink) -> None:
    """Look at every window and give the weighted mean of what overlapping ones say to `sink`.

    A window's weight falls towards its borders, where it sees little context, and the weights of all windows of a pixel
    sum to one. Windows without data count as logit 0. The result does not depend on the strips.
    """
    region = grid.region
    col_weights = share_weights(list(grid.cols), grid.width, region.col, region.width)
    row_weights = share_weights(list(grid.rows), grid.height, region.row, region.height)
    for first, end in grid.strips(n_queries):
        waiting = np.zeros((n_queries, grid.height, end - first), np.float32)
        for number, top in enumerate(grid.rows):
            for column in grid.columns_in(first, end):
                window = PixelWindow(grid.cols[column], top, grid.width, grid.height)
                logits = look(window)
                if logits is not None:
                    left, right = max(window.col, first), min(window.col + window.width, end)
                    seen = slice(left - window.col, right - window.col)
                    weights = row_weights[number][:, None] * col_weights[column][seen]
                    waiting[:, :, left - first : right - first] += logits[:, :, seen] * weights
            is_last = number + 1 == len(grid.rows)
            n_done = grid.height if is_last else grid.rows[number + 1] - top
            sink(PixelWindow(first, top, end - first, n_done), waiting[:, :n_done])
            waiting[:, : grid.height - n_done] = waiting[:, n_done:]
            waiting[:, grid.height - n_done :] = 0
