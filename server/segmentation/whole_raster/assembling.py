"""Turns groups of pieces into objects, and says which of them no window saw well enough to be believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.whole_raster.merged_objects import Canvas, MergedObject
from server.segmentation.whole_raster.pieces import CUT_MARGIN_PX
from server.segmentation.whole_raster.rectangles import bottom, right

# A piece that reaches this far beyond its cell, where the cell's owner sees none of it, is no mere wobble of outlines.
CONTRADICTION_DEPTH_PX = 3
# The longest stretch of cell border on which windows may contradict each other.
MAX_CUT_EDGE_PX = 5
# A view with less than this share in its own cell belongs to another window, which looks from a better place.
MIN_OWN_SHARE = 0.5
# A view that belongs to another window is left out where that window's objects cover this much of it.
COVERED_SHARE = 0.5


@dataclass(frozen=True)
class Assembly:
    """What the first look makes of all pieces.

    Attributes:
        sure: objects that one window saw whole and well, or that neighbours agree on wherever a cell border cuts them.
        doubtful: objects that the windows contradict each other about, to be looked at again.
    """

    sure: list[MergedObject]
    doubtful: list[MergedObject]


def assemble(canvas: Canvas, groups: list[list[int]], tell: Callable[[float], None] = lambda _: None) -> Assembly:
    """Make an object of every group of pieces, in the order of the groups.

    Args:
        canvas: of the pieces.
        groups: numbers of the pieces that show one object.
        tell: told the finished share, 0..1; may raise to stop.
    """
    found = Assembly([], [])
    for done, group in enumerate(groups):
        tell(done / len(groups))
        best = choose_best(canvas, group)
        if int(canvas.store.table["margin_px"][best]) >= canvas.plan.rim_px:
            if len(group) > 1 or _is_wanted(canvas, best):
                found.sure.append(canvas.take_whole(best))
            continue
        item = canvas.stitch(group, best)
        if item is None or (len(group) == 1 and item.area_px < MIN_OWN_SHARE * _area(canvas, best)):
            continue
        (found.doubtful if is_contradicted(canvas, item) else found.sure).append(item)
    return found


def choose_best(canvas: Canvas, group: list[int]) -> int:
    """Return the piece farthest from the inner borders of its window, which is where networks see most context."""
    table = canvas.store.table
    return max(
        group,
        key=lambda item: (
            int(table["margin_px"][item]),
            float(table["predicted_iou"][item]),
            int(table["area_px"][item]),
            -item,
        ),
    )


def settle_doubtful(canvas: Canvas, item: MergedObject, *, is_too_large: bool) -> MergedObject | None:
    """Return what is left of a doubtful object when looking again did not help; None where nothing can be believed.

    A view that ends before its window does has an outline of its own. Without one the object has an edge that only
    the windows made, which is worse than no object, but for one so large that nobody could look at it again.

    Args:
        canvas: of the pieces.
        item: the object.
        is_too_large: it fits into no window of a second look.
    """
    if int(canvas.store.table["margin_px"][item.best]) >= CUT_MARGIN_PX:
        return canvas.take_whole(item.best)
    return item if is_too_large else None


def is_contradicted(canvas: Canvas, item: MergedObject) -> bool:
    """Tell whether a cell border cuts a stitched object where one window saw it go on and the next did not."""
    by_window = {int(canvas.store.table["window"][piece]): piece for piece in item.pieces}
    for window, piece in by_window.items():
        cell, box = canvas.plan.cells[window], canvas.store.box(piece)
        for neighbour in canvas.plan.neighbours(window):
            strip = _beyond(cell, canvas.plan.cells[neighbour], CONTRADICTION_DEPTH_PX)
            if _reaches_across(box, cell, strip) and _is_cut_at(canvas, piece, by_window.get(neighbour), cell, strip):
                return True
    return False


def _is_cut_at(canvas: Canvas, piece: int, other: int | None, cell: PixelWindow, strip: PixelWindow) -> bool:
    """Compare two views in the strip just beyond `cell`; `other` is the view of the strip's owner, None without one."""
    near_edge = _beyond(strip, cell, 1)
    view = canvas.store.get(piece)
    across = 1 if strip.row == cell.row else 0
    contradicted = np.logical_and.reduce(view.draw_inside(strip), axis=across)
    contradicted &= np.logical_or.reduce(view.draw_inside(near_edge), axis=across)
    if other is not None:
        contradicted &= ~np.logical_or.reduce(canvas.store.get(other).draw_inside(strip), axis=across)
    return longest_run(contradicted) > MAX_CUT_EDGE_PX


def _beyond(cell: PixelWindow, other: PixelWindow, depth: int) -> PixelWindow:
    """Return the strip of `depth` pixels of `other`'s side of the border that it shares with `cell`."""
    if other.col >= right(cell):
        return PixelWindow(right(cell), cell.row, depth, cell.height)
    if right(other) <= cell.col:
        return PixelWindow(cell.col - depth, cell.row, depth, cell.height)
    if other.row >= bottom(cell):
        return PixelWindow(cell.col, bottom(cell), cell.width, depth)
    return PixelWindow(cell.col, cell.row - depth, cell.width, depth)


def _reaches_across(box: PixelWindow, cell: PixelWindow, strip: PixelWindow) -> bool:
    """Tell by its box alone whether a piece can lie on both sides of the border between `cell` and `strip`."""
    covers_cols = box.col < right(strip) and right(box) > strip.col
    covers_rows = box.row < bottom(strip) and bottom(box) > strip.row
    meets_cell = box.col < right(cell) and right(box) > cell.col and box.row < bottom(cell) and bottom(box) > cell.row
    return covers_cols and covers_rows and meets_cell


def _is_wanted(canvas: Canvas, piece: int) -> bool:
    """Tell whether a view that no other window shares is kept: its cell's owner must not see something else there."""
    item = canvas.store.get(piece)
    own = canvas.part(piece, is_stitched=True)
    n_own = int(np.count_nonzero(item.unpack_inside(own))) if own else 0
    if n_own >= MIN_OWN_SHARE * item.area_px:
        return True
    box = item.box
    owner = canvas.plan.owner(box.col + box.width / 2, box.row + box.height / 2)
    return _share_covered(canvas, item.unpack(), box, owner) < COVERED_SHARE


def _share_covered(canvas: Canvas, mask: NDArray[np.bool_], box: PixelWindow, window: int) -> float:
    """Return the share of a mask that the pieces of one window cover."""
    table = canvas.store.table
    first, last = np.searchsorted(table["window"], [window, window + 1]).tolist()
    rows = table[first:last]
    meets = (rows["col"] < right(box)) & (rows["col"] + rows["width"] > box.col)
    meets &= (rows["row"] < bottom(box)) & (rows["row"] + rows["height"] > box.row)
    covered = np.zeros_like(mask)
    for number in (first + np.flatnonzero(meets)).tolist():
        covered |= canvas.store.get(number).draw_inside(box)
    return float(np.count_nonzero(covered & mask) / np.count_nonzero(mask))


def _area(canvas: Canvas, piece: int) -> int:
    return int(canvas.store.table["area_px"][piece])


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Return the length of the longest run of True in bool (N,)."""
    ends = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((ends[1::2] - ends[::2]).max()) if ends.size else 0
