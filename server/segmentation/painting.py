"""Paints objects into label blocks: small over large, so that a roof stays visible on its city block."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.merge import MergedObject
from server.segmentation.pieces import bottom, intersect, right, slices_of

BLOCK_PX = 1024


class Painter:
    """Answers any block of the label image without ever holding the whole of it."""

    def __init__(self, objects: list[MergedObject]) -> None:
        self._objects = objects
        self._by_block: dict[tuple[int, int], list[int]] = {}
        # Largest first: what is painted later covers what was painted before. Equal areas keep reading order.
        for index in sorted(range(len(objects)), key=lambda item: -objects[item].area_px):
            for block in _touched_blocks(objects[index].box):
                self._by_block.setdefault(block, []).append(index)

    def blocks(self) -> list[PixelWindow]:
        """Return the blocks in which anything is painted, in reading order; they may reach beyond the raster."""
        return [PixelWindow(col * BLOCK_PX, row * BLOCK_PX, BLOCK_PX, BLOCK_PX) for row, col in sorted(self._by_block)]

    def paint(self, block: PixelWindow) -> NDArray[np.int32]:
        """Return int32 (BLOCK_PX, BLOCK_PX): 0 for background, n for the n-th object counted from 1."""
        canvas = np.zeros((block.height, block.width), dtype=np.int32)
        for index in self._by_block.get((block.row // BLOCK_PX, block.col // BLOCK_PX), []):
            for piece in self._objects[index].pieces:
                part = intersect(piece.box, block)
                if part is not None:
                    canvas[slices_of(part, block)][piece.unpack_inside(block)] = index + 1
        return canvas

    def count_visible(self, on_block: Callable[[float], None]) -> NDArray[np.int64]:
        """Return int64 (number of objects,): pixels each object keeps after all painting.

        Args:
            on_block: told the finished share, 0..1, before every block.
        """
        counts = np.zeros(len(self._objects) + 1, dtype=np.int64)
        blocks = self.blocks()
        for done, block in enumerate(blocks):
            on_block(done / len(blocks))
            ids, n_pixels = np.unique(self.paint(block), return_counts=True)
            counts[ids] += n_pixels
        return counts[1:]


def number_visible(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return int32 (number of objects + 1,): the final id of each painted value, 1..N without gaps, hidden ones 0."""
    visible = counts > 0
    return np.concatenate([[0], np.where(visible, np.cumsum(visible), 0)]).astype(np.int32)


def _touched_blocks(box: PixelWindow) -> Iterator[tuple[int, int]]:
    for row in range(box.row // BLOCK_PX, (bottom(box) - 1) // BLOCK_PX + 1):
        for col in range(box.col // BLOCK_PX, (right(box) - 1) // BLOCK_PX + 1):
            yield row, col
