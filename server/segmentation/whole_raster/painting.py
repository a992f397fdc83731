"""Paints objects into a label raster block by block, those that the network trusts most on top."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.rasters.labels import LabelCanvas
from server.rasters.windows import PixelWindow
from server.segmentation.whole_raster.merged_objects import Canvas, MergedObject
from server.segmentation.whole_raster.rectangles import bottom, intersect, right, slices_of

BLOCK_PX = 1024
# An object that keeps less of its ground than this, because others are painted over it, is left out: slivers along
# borders are no objects (decision 10).
MIN_SHOWN_SHARE = 0.2

Tell = Callable[[float], None]
ReadMask = Callable[[PixelWindow], NDArray[np.bool_]]


class Painter:
    """Answers any block of the label image without ever holding the whole of it."""

    def __init__(self, canvas: Canvas, objects: list[MergedObject], region: PixelWindow) -> None:
        """Prepare to paint `objects`, drawn by `canvas`, inside `region`."""
        self._canvas = canvas
        self._objects = objects
        self._region = region
        self._by_block: dict[tuple[int, int], list[int]] = {}
        # What is painted later covers what was painted before. A network finds a roof, parts of it, and the block it
        # stands in; which of them is the object, its rating tells better than any rule of sizes (decision 10).
        ratings = [canvas.rating(item) for item in objects]
        for index in sorted(range(len(objects)), key=lambda item: (ratings[item], -objects[item].area_px)):
            for block in _touched_blocks(objects[index].box):
                self._by_block.setdefault(block, []).append(index)

    def blocks(self) -> list[PixelWindow]:
        """Return the blocks in which anything is painted, in reading order, cut to the region."""
        return [block for key in sorted(self._by_block) if (block := _block_window(key, self._region)) is not None]

    def paint(self, block: PixelWindow) -> NDArray[np.int32]:
        """Return int32 (block.height, block.width): 0 for background, n for the n-th object counted from 1."""
        painted = np.zeros((block.height, block.width), dtype=np.int32)
        for index, part, mask in self._masks(block):
            painted[part][mask] = index + 1
        return painted

    def leave_out_hidden(self, read_free: ReadMask, tell: Tell) -> None:
        """From now on paint only objects that keep enough of the ground they could have; the others are mere slivers.

        Args:
            read_free: tells which pixels of a window can be painted.
            tell: told the finished share, 0..1; may raise to stop.
        """
        own = np.zeros(len(self._objects) + 1, dtype=np.int64)
        shown = np.zeros_like(own)
        blocks = self.blocks()
        for done, block in enumerate(blocks):
            tell(done / len(blocks))
            free = read_free(block)
            painted = np.zeros(free.shape, dtype=np.int32)
            for index, part, mask in self._masks(block):
                own[index + 1] += np.count_nonzero(mask & free[part])
                painted[part][mask] = index + 1
            ids, n_pixels = np.unique(painted[free], return_counts=True)
            shown[ids] += n_pixels
        is_hidden = shown[1:] < MIN_SHOWN_SHARE * own[1:]
        for block_key, indices in self._by_block.items():
            self._by_block[block_key] = [index for index in indices if not is_hidden[index]]

    def _masks(self, block: PixelWindow) -> Iterator[tuple[int, tuple[slice, slice], NDArray[np.bool_]]]:
        """Yield (place of the object, part of the block, mask of that part) in the order of painting."""
        for index in self._by_block.get((block.row // BLOCK_PX, block.col // BLOCK_PX), []):
            for part, mask in self._canvas.masks(self._objects[index], block):
                yield index, slices_of(part, block), mask


@dataclass(frozen=True)
class LabelPainting:
    """The label raster while it is made; objects have provisional ids from 1 in the order in which they were added.

    Attributes:
        labels: where the ids are painted.
        region: all that is being segmented.
        read_valid: returns which pixels of a window have data; others are never painted.
    """

    labels: LabelCanvas
    region: PixelWindow
    read_valid: ReadMask

    def add(self, canvas: Canvas, objects: list[MergedObject], n_earlier: int, tell: Tell) -> NDArray[np.int64]:
        """Paint objects on the ground that is still free.

        Args:
            canvas: draws the objects.
            objects: they get the ids from `n_earlier` + 1 on.
            n_earlier: objects that were added before.
            tell: told the finished share, 0..1; may raise to stop.

        Returns:
            int64 (number of objects,): pixels each object keeps; 0 for those that the others hide, nearly or wholly.
        """
        counts = np.zeros(len(objects) + 1, dtype=np.int64)
        painter = Painter(canvas, objects, self.region)
        read_free = self._read_free if n_earlier else self.read_valid
        painter.leave_out_hidden(read_free, lambda share: tell(share / 2))
        blocks = painter.blocks()
        for done, block in enumerate(blocks):
            tell(0.5 + done / len(blocks) / 2)
            painted = painter.paint(block)
            painted[~read_free(block)] = 0
            ids, n_pixels = np.unique(painted, return_counts=True)
            counts[ids] += n_pixels
            if painted.any():
                self._put_under(block, painted, n_earlier)
        return counts[1:]

    def _read_free(self, block: PixelWindow) -> NDArray[np.bool_]:
        is_unpainted: NDArray[np.bool_] = self.labels.read(block) == 0
        return is_unpainted & self.read_valid(block)

    def _put_under(self, block: PixelWindow, painted: NDArray[np.int32], n_earlier: int) -> None:
        """Write `painted`, which is 0 wherever the block shows something already, with ids from `n_earlier` + 1 on."""
        shifted = np.where(painted > 0, painted + np.int32(n_earlier), np.int32(0))
        self.labels.write(block, shifted + self.labels.read(block) if n_earlier else shifted)

    def renumber(self, ids: NDArray[np.int32], tell: Tell) -> None:
        """Replace every provisional id by `ids`, int32 (highest provisional id + 1,) with 0 at 0."""
        blocks = list(split_into_blocks(self.region))
        for done, block in enumerate(blocks):
            tell(done / len(blocks))
            provisional = self.labels.read(block)
            if provisional.any():
                self.labels.write(block, ids[provisional])


def number_visible(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return int32 (number of objects + 1,): the final id of each painted value, 1..N without gaps, hidden ones 0."""
    visible = counts > 0
    return np.concatenate([[0], np.where(visible, np.cumsum(visible), 0)]).astype(np.int32)


def split_into_blocks(region: PixelWindow) -> Iterator[PixelWindow]:
    """Yield blocks that cover `region` once, in reading order."""
    for key in _touched_blocks(region):
        block = _block_window(key, region)
        if block is not None:
            yield block


def _block_window(key: tuple[int, int], region: PixelWindow) -> PixelWindow | None:
    row, col = key
    return intersect(PixelWindow(col * BLOCK_PX, row * BLOCK_PX, BLOCK_PX, BLOCK_PX), region)


def _touched_blocks(box: PixelWindow) -> Iterator[tuple[int, int]]:
    for row in range(box.row // BLOCK_PX, (bottom(box) - 1) // BLOCK_PX + 1):
        for col in range(box.col // BLOCK_PX, (right(box) - 1) // BLOCK_PX + 1):
            yield row, col
