"""Makes one list of objects out of what overlapping windows saw: duplicates dropped, objects cut by a seam joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.rasters.windows import PixelWindow
from server.segmentation.pieces import Piece, bottom, enclose, intersect, slices_of

# Two windows saw the same object where, inside their overlap, the masks agree at least this much (IoU).
SAME_OBJECT_IOU = 0.5
# A cut mask that lies this much inside one mask of a window that saw all of it is a fragment of that mask.
FRAGMENT_SHARE = 0.8
# Union areas are counted in strips of at most this many pixels, so that an object of any size fits in memory.
STRIP_PX = 4_000_000


@dataclass(frozen=True)
class MergedObject:
    """One object of the raster.

    Attributes:
        pieces: its masks; their union is the object.
        box: bounding box of the union.
        area_px: pixels of the union, before smaller objects are painted over it.
        predicted_iou: of the largest piece, 0..1.
        stability_score: of the largest piece, 0..1.
        point_xy: of the largest piece, in pixels of the raster.
    """

    pieces: tuple[Piece, ...]
    box: PixelWindow
    area_px: int
    predicted_iou: float
    stability_score: float
    point_xy: tuple[float, float]


class ObjectMerger:
    """Collects pieces window by window and groups those that are one object."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._parents: list[int] = []
        self._fragments: set[int] = set()
        self._windows: list[tuple[PixelWindow, list[int]]] = []

    def add(self, window: PixelWindow, pieces: list[Piece]) -> None:
        """Take in what `window` saw and compare it with the earlier windows that overlap it."""
        first = len(self._pieces)
        indexes = list(range(first, first + len(pieces)))
        self._pieces.extend(pieces)
        self._parents.extend(indexes)
        for earlier, earlier_indexes in self._windows:
            overlap = intersect(window, earlier)
            if overlap is not None:
                self._compare(indexes, earlier_indexes, overlap)
        self._windows.append((window, indexes))

    def objects(self) -> list[MergedObject]:
        """Return the objects in reading order of their boxes, which makes their ids independent of anything else."""
        groups: dict[int, list[int]] = {}
        for index in range(len(self._pieces)):
            groups.setdefault(self._root(index), []).append(index)
        merged = [
            _merge([self._pieces[index] for index in group])
            for group in groups.values()
            if not self._fragments.issuperset(group)
        ]
        return sorted(merged, key=lambda item: (item.box.row, item.box.col, item.area_px, item.point_xy))

    def _compare(self, new: list[int], old: list[int], overlap: PixelWindow) -> None:
        """Join the pairs that agree best, each piece at most once, and note fragments among the rest."""
        pairs = self._agreements(new, old, overlap)
        taken: set[int] = set()
        for agreement, first, second in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if agreement >= SAME_OBJECT_IOU and first not in taken and second not in taken:
                taken |= {first, second}
                self._parents[self._root(first)] = self._root(second)
        for _, first, second in pairs:
            for part, whole in ((first, second), (second, first)):
                if part not in taken and self._is_fragment(self._pieces[part], self._pieces[whole]):
                    self._fragments.add(part)

    def _agreements(self, new: list[int], old: list[int], overlap: PixelWindow) -> list[tuple[float, int, int]]:
        """Return (IoU inside `overlap`, new index, old index) of every pair whose boxes meet there."""
        parts = {index: intersect(self._pieces[index].box, overlap) for index in (*new, *old)}
        masks = {index: self._pieces[index].unpack_inside(overlap) for index, part in parts.items() if part is not None}
        areas = {index: int(np.count_nonzero(mask)) for index, mask in masks.items()}
        pairs = []
        for first in (index for index in new if areas.get(index)):
            for second in (index for index in old if areas.get(index)):
                common = _count_common(masks[first], parts[first], masks[second], parts[second])
                if common:
                    pairs.append((common / (areas[first] + areas[second] - common), first, second))
        return pairs

    def _is_fragment(self, part: Piece, whole: Piece) -> bool:
        seen = intersect(part.box, whole.window)
        if not part.is_cut or seen != part.box:
            return False
        common = _count_common(part.unpack(), part.box, whole.unpack(), whole.box)
        return common >= FRAGMENT_SHARE * part.area_px

    def _root(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index


def _count_common(
    first: np.ndarray, first_box: PixelWindow | None, second: np.ndarray, second_box: PixelWindow | None
) -> int:
    """Count the pixels two masks have in common; each covers its box."""
    if first_box is None or second_box is None:
        return 0
    common = intersect(first_box, second_box)
    if common is None:
        return 0
    return int(np.count_nonzero(first[slices_of(common, first_box)] & second[slices_of(common, second_box)]))


def _merge(group: list[Piece]) -> MergedObject:
    pieces = _choose_pieces(group)
    largest = max(pieces, key=lambda piece: (piece.area_px, piece.predicted_iou))
    box = enclose([piece.box for piece in pieces])
    return MergedObject(
        pieces=tuple(pieces),
        box=box,
        area_px=largest.area_px if len(pieces) == 1 else _union_area(pieces, box),
        predicted_iou=largest.predicted_iou,
        stability_score=largest.stability_score,
        point_xy=largest.point_xy,
    )


def _choose_pieces(group: list[Piece]) -> list[Piece]:
    """Return the best view of a window that saw the whole object; without one, all pieces together make the object."""
    whole = [piece for piece in group if not piece.is_cut]
    if not whole:
        return group
    best = max(whole, key=lambda piece: (piece.predicted_iou, piece.area_px))
    sees_all = all(intersect(piece.box, best.window) == piece.box for piece in group)
    return [best] if sees_all else group


def _union_area(pieces: list[Piece], box: PixelWindow) -> int:
    rows_per_strip = max(1, STRIP_PX // box.width)
    area = 0
    for row in range(box.row, bottom(box), rows_per_strip):
        strip = PixelWindow(box.col, row, box.width, min(rows_per_strip, bottom(box) - row))
        canvas = np.zeros((strip.height, strip.width), dtype=bool)
        for piece in pieces:
            part = intersect(piece.box, strip)
            if part is not None:
                canvas[slices_of(part, strip)] |= piece.unpack_inside(strip)
        area += int(np.count_nonzero(canvas))
    return area
