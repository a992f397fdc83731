"""Shares out ground that no mask covers: gaps and specks go to their neighbours, the rest become objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import cv2
import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.whole_raster.looking import Tell
from server.segmentation.whole_raster.painting import LabelPainting, split_into_blocks
from server.segmentation.whole_raster.rectangles import intersect, slices_of

# Ground narrower than this, in pixels of the network's input, is the gap between two outlines.
GAP_PX = 5
# A patch of ground up to this size, in the same pixels, is too small to be an object of its own.
SPECK_PX = 400
# A block is seen with this much around it, so that specks across its border are seen whole.
HALO_PX = 64


@dataclass
class _Roots:
    """Which provisional numbers of patches are one patch, over the borders of blocks.

    Attributes:
        parents: of each number; a root is its own.
    """

    parents: list[int] = field(default_factory=list)

    def new(self) -> int:
        self.parents.append(len(self.parents))
        return len(self.parents) - 1

    def find(self, number: int) -> int:
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self.find(first), self.find(second)))
        self.parents[high] = low


@dataclass(frozen=True)
class Leftovers:
    """Works on a finished painting.

    Attributes:
        painting: its labels are changed; labels that are there stay.
        pixel_step: pixels of the raster per pixel of the network's input.
    """

    painting: LabelPainting
    pixel_step: float

    def fill_gaps(self, tell: Tell) -> None:
        """Give narrow gaps to the nearest object and specks to the one they share most border with.

        What is given is painted as the negative id and turned round in the end, so that no block sees what an earlier
        one gave away and the result does not depend on the blocks.
        """
        blocks = list(split_into_blocks(self.painting.region))
        for done, block in enumerate(blocks):
            tell(done / len(blocks) / 2)
            wide = self._widen(block)
            labels = np.maximum(self.painting.labels.read(wide), 0)
            free = (labels == 0) & self.painting.read_valid(wide)
            given = self._give(labels, free)
            part = slices_of(block, wide)
            if given[part].any():
                self.painting.labels.write(block, np.where(given[part] > 0, -given[part], labels[part]))
        for done, block in enumerate(blocks):
            tell(0.5 + done / len(blocks) / 2)
            labels = self.painting.labels.read(block)
            if (labels < 0).any():
                self.painting.labels.write(block, np.abs(labels))

    def number_rest(self, n_earlier: int, tell: Tell) -> NDArray[np.int64]:
        """Make every connected patch of ground that is still free an object.

        Args:
            n_earlier: highest id so far.
            tell: told the finished share, 0..1; may raise to stop.

        Returns:
            int64 (number of new objects,): their pixels; their ids follow `n_earlier`, in reading order.
        """
        roots, sizes = _Roots(), list[int]()
        blocks = list(split_into_blocks(self.painting.region))
        for done, block in enumerate(blocks):
            tell(done / len(blocks) / 2)
            self._number_block(block, n_earlier, roots, sizes)
        final = np.zeros(len(sizes), dtype=np.int32)
        counts = np.zeros(len(sizes), dtype=np.int64)
        next_place = count()
        for number, size in enumerate(sizes):
            root = roots.find(number)
            final[number] = next(next_place) if root == number else final[root]
            counts[final[number]] += size
        for done, block in enumerate(blocks):
            tell(0.5 + done / len(blocks) / 2)
            labels = self.painting.labels.read(block)
            is_new = labels > n_earlier
            if is_new.any():
                labels[is_new] = final[labels[is_new] - n_earlier - 1] + n_earlier + 1
                self.painting.labels.write(block, labels)
        return counts[: next(next_place)]

    def _widen(self, block: PixelWindow) -> PixelWindow:
        halo = HALO_PX
        wide = PixelWindow(block.col - halo, block.row - halo, block.width + 2 * halo, block.height + 2 * halo)
        return intersect(wide, self.painting.region) or block

    def _give(self, labels: NDArray[np.int32], free: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return int32 (H, W): for free pixels the id that gets them, 0 where none does."""
        given = np.zeros_like(labels)
        if not free.any() or not (labels > 0).any():
            return given
        width = max(3, round(GAP_PX * self.pixel_step)) | 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
        wide = cv2.morphologyEx(np.pad(free.astype(np.uint8), width, mode="edge"), cv2.MORPH_OPEN, kernel)
        gaps = free & (wide[width:-width, width:-width] == 0)
        nearest, distance = _find_nearest(labels)
        given[gaps] = np.where(distance[gaps] <= width, nearest[gaps], 0)
        self._give_specks(labels, free & (given == 0), given)
        return given

    def _give_specks(self, labels: NDArray[np.int32], free: NDArray[np.bool_], given: NDArray[np.int32]) -> None:
        """Give small patches that lie inside the array to the label along most of their border, in place."""
        n_patches, areas, figures, _ = cv2.connectedComponentsWithStats(free.astype(np.uint8), connectivity=4)
        patches = np.asarray(areas, dtype=np.int32)
        sides = figures[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
        is_speck = (figures[:, cv2.CC_STAT_AREA] <= SPECK_PX * self.pixel_step**2) & (sides <= HALO_PX)
        is_speck[0] = False
        owner = _find_main_neighbours(patches, np.where(given > 0, given, labels), n_patches)
        owner[~is_speck] = 0
        np.copyto(given, owner[patches], where=owner[patches] > 0)

    def _number_block(self, block: PixelWindow, n_earlier: int, roots: _Roots, sizes: list[int]) -> None:
        """Number the free patches of one block and join them to those of the blocks above and to the left."""
        labels = self.painting.labels.read(block)
        free = (labels == 0) & self.painting.read_valid(block)
        if not free.any():
            return
        n_patches, patches = cv2.connectedComponents(free.astype(np.uint8), connectivity=4)
        first = len(sizes)
        sizes += np.bincount(patches.ravel(), minlength=n_patches)[1:].tolist()
        for _ in range(1, n_patches):
            roots.new()
        labels[free] = patches[free] + (n_earlier + first)
        self.painting.labels.write(block, labels)
        region = self.painting.region
        if block.row > region.row:
            above = self.painting.labels.read(PixelWindow(block.col, block.row - 1, block.width, 1))[0]
            _join(roots, above, labels[0], n_earlier)
        if block.col > region.col:
            before = self.painting.labels.read(PixelWindow(block.col - 1, block.row, 1, block.height))[:, 0]
            _join(roots, before, labels[:, 0], n_earlier)


def _join(roots: _Roots, earlier: NDArray[np.int32], later: NDArray[np.int32], n_earlier: int) -> None:
    both = (earlier > n_earlier) & (later > n_earlier)
    for first, second in sorted(set(zip(earlier[both].tolist(), later[both].tolist(), strict=True))):
        roots.join(first - n_earlier - 1, second - n_earlier - 1)


def _find_main_neighbours(patches: NDArray[np.int32], labels: NDArray[np.int32], n_patches: int) -> NDArray[np.int32]:
    """Return int32 (n_patches,): the label over 0 along most pixel sides of each patch, the lowest of equals, or 0."""
    pairs = []
    for one, two in ((np.s_[1:, :], np.s_[:-1, :]), (np.s_[:, 1:], np.s_[:, :-1])):
        for inner, outer in ((one, two), (two, one)):
            touches = (patches[inner] > 0) & (labels[outer] > 0)
            pairs.append(patches[inner][touches].astype(np.int64) << 32 | labels[outer][touches])
    keys, n_sides = np.unique(np.concatenate(pairs), return_counts=True)
    owner = np.zeros(n_patches, dtype=np.int32)
    # The last assignment wins: the longest border, and of equal ones the smallest label.
    order = np.lexsort([-keys, n_sides])
    owner[keys[order] >> 32] = keys[order] & 0xFFFFFFFF
    return owner


def _find_nearest(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return for every pixel the nearest label over 0 and its distance in pixels; there is at least one."""
    distance, places = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    id_of_place = np.zeros(int(places.max()) + 1, dtype=np.int32)
    is_labelled = labels > 0
    id_of_place[places[is_labelled]] = labels[is_labelled]
    return id_of_place[places], np.asarray(distance, dtype=np.float32)
