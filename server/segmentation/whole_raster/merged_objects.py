"""One object of the raster: which pieces show it, and which part of each counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.whole_raster.piece_store import PieceStore
from server.segmentation.whole_raster.rectangles import enclose, intersect, slices_of
from server.segmentation.whole_raster.window_plan import WindowPlan


@dataclass(frozen=True, slots=True)
class MergedObject:
    """One object of the raster.

    Attributes:
        pieces: numbers of the pieces that show it.
        is_stitched: each piece counts only inside its own window's cell; else there is one piece, and all of it counts.
        box: bounding box of what counts.
        area_px: pixels that count, before others are painted over them.
        best: number of the piece that saw it best, which gives the ratings and the click.
    """

    pieces: tuple[int, ...]
    is_stitched: bool
    box: PixelWindow
    area_px: int
    best: int


@dataclass(frozen=True)
class Canvas:
    """Draws objects: the pieces, and the cells that cut them.

    Attributes:
        store: of the pieces.
        plan: of the windows that saw them.
    """

    store: PieceStore
    plan: WindowPlan

    def take_whole(self, number: int) -> MergedObject:
        """Return the object that one piece shows entirely."""
        area_px = int(self.store.table["area_px"][number])
        return MergedObject((number,), False, self.store.box(number), area_px, number)

    def stitch(self, pieces: list[int], best: int) -> MergedObject | None:
        """Return the object that several windows see parts of; None where none of them sees it in its own cell."""
        parts = [part for piece in pieces if (part := self.part(piece, is_stitched=True)) is not None]
        areas = [self._count(piece) for piece in pieces]
        if not any(areas):
            return None
        return MergedObject(tuple(pieces), True, enclose(parts), sum(areas), best)

    def rating(self, item: MergedObject) -> float:
        """Return the predicted IoU of an object, 0..1."""
        return float(self.store.table["predicted_iou"][item.best])

    def part(self, piece: int, *, is_stitched: bool) -> PixelWindow | None:
        """Return the rectangle in which a piece counts, None where it counts nowhere."""
        box = self.store.box(piece)
        if not is_stitched:
            return box
        return intersect(box, self.plan.cells[int(self.store.table["window"][piece])])

    def draw(self, item: MergedObject, area: PixelWindow) -> NDArray[np.bool_]:
        """Return bool (area.height, area.width): the object where it lies in `area`."""
        drawn = np.zeros((area.height, area.width), dtype=np.bool_)
        for part, mask in self.masks(item, area):
            drawn[slices_of(part, area)] |= mask
        return drawn

    def masks(self, item: MergedObject, area: PixelWindow) -> Iterator[tuple[PixelWindow, NDArray[np.bool_]]]:
        """Yield (rectangle inside `area`, mask of that size) of each piece of an object."""
        for piece in item.pieces:
            counted = self.part(piece, is_stitched=item.is_stitched)
            part = intersect(counted, area) if counted else None
            if part is not None:
                yield part, self.store.get(piece).unpack_inside(part)

    def _count(self, piece: int) -> int:
        part = self.part(piece, is_stitched=True)
        if part is None:
            return 0
        if part == self.store.box(piece):
            return int(self.store.table["area_px"][piece])
        return int(np.count_nonzero(self.store.get(piece).unpack_inside(part)))
