"""Looks again at objects that the first look left in doubt: in a window around each, zoomed out where it is larger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import Thresholds
from server.segmentation.whole_raster.looking import Viewer
from server.segmentation.whole_raster.merge import SAME_OBJECT_IOU
from server.segmentation.whole_raster.merged_objects import Canvas, MergedObject
from server.segmentation.whole_raster.pieces import CUT_MARGIN_PX, Piece
from server.segmentation.whole_raster.rectangles import bottom, enclose, intersect, right, slices_of

# Zoomed out further, outlines would be so coarse that a cut at a cell border, in full detail, is the lesser evil.
ZOOMS = (1, 2, 4)
# What was seen first reached the user's thresholds. A new view that agrees with it need not, because zoomed out all
# masks rate lower.
ANY_RATING = Thresholds(0.0, 0.0)
# Clicks are searched on a drawing of the object of at most this many pixels per side.
CLICK_DRAWING_PX = 512


@dataclass(frozen=True)
class _Doubt:
    """A doubtful object with what the search for it needs.

    Attributes:
        number: its place in the list of doubtful objects.
        item: the object.
        reach: rectangle around all that any window saw of it, also outside the windows' own cells.
        point_xy: the place deepest inside it, in pixels of the raster.
    """

    number: int
    item: MergedObject
    reach: PixelWindow
    point_xy: tuple[float, float]


@dataclass(frozen=True)
class SecondLook:
    """Looks at doubtful objects again.

    Attributes:
        viewer: shows windows to the network.
        canvas: of the pieces; pieces found now are added to its store.
    """

    viewer: Viewer
    canvas: Canvas

    def resolve(self, doubtful: list[MergedObject], tell: Callable[[float], None]) -> dict[int, MergedObject]:
        """Return better objects for some of the doubtful ones.

        Args:
            doubtful: in a fixed order.
            tell: told the finished share, 0..1; may raise to stop.

        Returns:
            By place in `doubtful`: the object as one window shows it, uncut and in agreement with what the first look
            saw in the middle of its windows.
        """
        waiting = [self._describe(number, item) for number, item in enumerate(doubtful)]
        resolved: dict[int, MergedObject] = {}
        for turn, zoom in enumerate(ZOOMS):
            windows = self._plan([doubt for doubt in waiting if self._fits(doubt.reach, zoom)], zoom)
            for done, (window, doubts) in enumerate(windows):
                tell((turn + done / len(windows)) / len(ZOOMS))
                resolved |= self._look(window, doubts)
            waiting = [doubt for doubt in waiting if doubt.number not in resolved]
        return resolved

    def is_too_large(self, item: MergedObject) -> bool:
        """Tell whether an object fits into no window, however far zoomed out."""
        return not self._fits(self._reach(item), ZOOMS[-1])

    def _reach(self, item: MergedObject) -> PixelWindow:
        return enclose([self.canvas.store.box(piece) for piece in item.pieces])

    def _describe(self, number: int, item: MergedObject) -> _Doubt:
        return _Doubt(number, item, self._reach(item), self._find_deepest(item))

    def _find_deepest(self, item: MergedObject) -> tuple[float, float]:
        """Return the place farthest from the outline of what the first look saw in the middle of its windows."""
        box = item.box
        coarse = max(1, -(-max(box.width, box.height) // CLICK_DRAWING_PX))
        drawn = np.zeros((-(-box.height // coarse) + 2, -(-box.width // coarse) + 2), dtype=np.uint8)
        for part, mask in self.canvas.masks(item, box):
            rows, cols = np.nonzero(mask)
            drawn[(rows + part.row - box.row) // coarse + 1, (cols + part.col - box.col) // coarse + 1] = 1
        depth = cv2.distanceTransform(drawn, cv2.DIST_L2, 5)
        row, col = divmod(int(depth.argmax()), depth.shape[1])
        return box.col + (col - 0.5) * coarse, box.row + (row - 0.5) * coarse

    def _fits(self, reach: PixelWindow, zoom: int) -> bool:
        size, rim = self.viewer.size_px * zoom, self.canvas.plan.rim_px * zoom
        region = self.viewer.region
        return all(
            length + 2 * rim <= size or limit <= size
            for length, limit in ((reach.width, region.width), (reach.height, region.height))
        )

    def _plan(self, doubts: list[_Doubt], zoom: int) -> list[tuple[PixelWindow, list[_Doubt]]]:
        """Give every doubtful object a window: around the first of those left, shared by all that fit into it too."""
        size, rim = self.viewer.size_px * zoom, self.canvas.plan.rim_px * zoom
        left = sorted(doubts, key=lambda doubt: (doubt.reach.row, doubt.reach.col, doubt.number))
        taken: set[int] = set()
        planned = []
        for place, doubt in enumerate(left):
            if doubt.number in taken:
                continue
            window = _centre(doubt.reach, size, self.viewer.region)
            inside = [doubt]
            for other in left[place + 1 :]:
                if other.reach.row >= bottom(window):
                    break
                if other.number not in taken and _holds(window, other.reach, rim, self.viewer.region):
                    inside.append(other)
            taken |= {item.number for item in inside}
            planned.append((window, inside))
        return planned

    def _look(self, window: PixelWindow, doubts: list[_Doubt]) -> dict[int, MergedObject]:
        points = np.array([doubt.point_xy for doubt in doubts], dtype=np.float64)
        pieces = self.viewer.click(window, points, ANY_RATING, lambda _: None)
        pieces = [piece for piece in pieces if piece.margin_px >= CUT_MARGIN_PX]
        resolved: dict[int, MergedObject] = {}
        number = self.canvas.store.add_window(window)
        stored: dict[int, int] = {}
        for doubt in doubts:
            rated = [(self._agree(doubt.item, piece), place) for place, piece in enumerate(pieces)]
            agreement, place = max(rated, default=(0.0, -1), key=lambda pair: (pair[0], -pair[1]))
            if agreement >= SAME_OBJECT_IOU:
                if place not in stored:
                    stored[place] = self.canvas.store.add(number, pieces[place])
                resolved[doubt.number] = self.canvas.take_whole(stored[place])
        return resolved

    def _agree(self, item: MergedObject, piece: Piece) -> float:
        """Return the IoU of a new view and the object, in the cells of the windows that took part in the object."""
        cells = [self.canvas.plan.cells[int(self.canvas.store.table["window"][number])] for number in item.pieces]
        if intersect(item.box, piece.box) is None:
            return 0.0
        mask = piece.unpack()
        judged = np.zeros_like(mask)
        for cell in cells:
            part = intersect(cell, piece.box)
            if part is not None:
                judged[slices_of(part, piece.box)] = True
        mask = mask & judged
        n_common = int(np.count_nonzero(mask & self.canvas.draw(item, piece.box)))
        return n_common / (int(np.count_nonzero(mask)) + item.area_px - n_common)


def _centre(box: PixelWindow, size: int, region: PixelWindow) -> PixelWindow:
    """Return a window of `size` around the middle of `box`, moved into `region`."""
    width, height = min(size, region.width), min(size, region.height)
    col = min(max(box.col + (box.width - width) // 2, region.col), right(region) - width)
    row = min(max(box.row + (box.height - height) // 2, region.row), bottom(region) - height)
    return PixelWindow(col, row, width, height)


def _holds(window: PixelWindow, box: PixelWindow, rim: int, region: PixelWindow) -> bool:
    """Tell whether `box` lies in `window` and away from its inner borders."""
    left = window.col + (rim if window.col > region.col else 0)
    top = window.row + (rim if window.row > region.row else 0)
    end = right(window) - (rim if right(window) < right(region) else 0)
    below = bottom(window) - (rim if bottom(window) < bottom(region) else 0)
    return left <= box.col and top <= box.row and right(box) <= end and bottom(box) <= below
