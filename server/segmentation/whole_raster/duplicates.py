"""Drops objects that a better view of the same thing already shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.whole_raster.merged_objects import Canvas, MergedObject
from server.segmentation.whole_raster.rectangles import bottom, right

# Two objects are one thing seen twice where their masks agree at least this much (IoU).
DUPLICATE_IOU = 0.7
# Objects whose box is larger are not compared: drawing them would take more memory than a window does.
MAX_BOX_PX = 16_000_000


class Overlaps:
    """Finds accepted objects near a place by the cells of a grid that their boxes touch."""

    def __init__(self, canvas: Canvas, cell_px: int) -> None:
        """Prepare an empty index; `cell_px` is the side of a grid cell."""
        self._canvas = canvas
        self._cell_px = cell_px
        self._by_cell: defaultdict[tuple[int, int], list[MergedObject]] = defaultdict(list)

    def add(self, item: MergedObject) -> None:
        """Take in an object."""
        for cell in self._cells(item.box):
            self._by_cell[cell].append(item)

    def is_duplicate(self, item: MergedObject) -> bool:
        """Tell whether an object taken in earlier has nearly the same mask."""
        for other, theirs in self._near(item):
            common = int(np.count_nonzero(theirs))
            if common / (item.area_px + other.area_px - common) >= DUPLICATE_IOU:
                return True
        return False

    def _near(self, item: MergedObject) -> Iterator[tuple[MergedObject, NDArray[np.bool_]]]:
        """Yield objects whose boxes meet that of `item`, with what both have in common, bool of the size of the box."""
        if not _is_small(item):
            return
        mask = self._canvas.draw(item, item.box)
        near = {id(other): other for cell in self._cells(item.box) for other in self._by_cell.get(cell, [])}
        for other in near.values():
            yield other, mask & self._canvas.draw(other, item.box)

    def _cells(self, box: PixelWindow) -> Iterator[tuple[int, int]]:
        for row in range(box.row // self._cell_px, (bottom(box) - 1) // self._cell_px + 1):
            for col in range(box.col // self._cell_px, (right(box) - 1) // self._cell_px + 1):
                yield row, col


def _is_small(item: MergedObject) -> bool:
    return item.box.width * item.box.height <= MAX_BOX_PX
