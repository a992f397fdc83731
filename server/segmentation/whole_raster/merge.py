"""Finds which pieces of overlapping windows are one object; the rule and its reasons are in docs/decisions/0003."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.whole_raster.piece_store import PieceStore
from server.segmentation.whole_raster.rectangles import bottom, intersect, right, shrink, slices_of
from server.segmentation.whole_raster.window_plan import WindowPlan

# Two windows saw the same object where, inside what both see well, their masks agree at least this much (IoU).
SAME_OBJECT_IOU = 0.5
# What both see well decides only where it holds at least this share of each mask's part in the overlap.
MIN_CORE_SHARE = 0.25

Link = tuple[float, int, int]


@dataclass(frozen=True)
class _Glimpse:
    """The part of a piece that lies in an overlap.

    Attributes:
        box: of that part.
        mask: bool (box.height, box.width).
        area_px: its pixels.
        core_px: those of them that both windows see well.
    """

    box: PixelWindow
    mask: NDArray[np.bool_]
    area_px: int
    core_px: int


def group_pieces(
    store: PieceStore, plan: WindowPlan, tell: Callable[[float], None] = lambda _: None
) -> list[list[int]]:
    """Return the numbers of the pieces of each object.

    Links are taken from the strongest to the weakest, and one that would give an object two pieces of one window is
    refused: that window saw two objects, so a chain of links through other windows must not make them one. Nothing
    depends on the order in which windows arrived, because the pieces of a sorted store are numbered by place.

    Args:
        store: sorted, its first windows those of `plan`.
        plan: of the windows.
        tell: told the finished share, 0..1, now and then; may raise to stop.

    Returns:
        Groups in the order of their first pieces, each sorted; every piece is in one group.
    """
    groups: dict[int, list[int]] = {number: [number] for number in range(len(store))}
    root = list(range(len(store)))
    window_of = store.table["window"].tolist()
    for _, first, second in sorted(find_links(store, plan, tell), key=lambda link: (-link[0], link[1], link[2])):
        keep, give = sorted((root[first], root[second]))
        if keep == give:
            continue
        if {window_of[item] for item in groups[keep]} & {window_of[item] for item in groups[give]}:
            continue
        for item in groups[give]:
            root[item] = keep
        groups[keep] += groups.pop(give)
    return [sorted(groups[number]) for number in sorted(groups)]


def find_links(store: PieceStore, plan: WindowPlan, tell: Callable[[float], None] = lambda _: None) -> list[Link]:
    """Return (agreement, piece, piece) of every two pieces that look like views of one object."""
    bounds = np.searchsorted(store.table["window"], np.arange(len(plan.windows) + 1)).tolist()
    links: list[Link] = []
    for first, second, overlap in plan.overlapping_pairs():
        tell(first / len(plan.windows))
        wells = [shrink(plan.windows[number], plan.rim_px, plan.region) for number in (first, second)]
        core = intersect(wells[0], wells[1]) if wells[0] and wells[1] else None
        sides = [_look(store, range(bounds[number], bounds[number + 1]), overlap, core) for number in (first, second)]
        links += _compare(sides[0], sides[1], core)
    return links


def _look(store: PieceStore, numbers: range, overlap: PixelWindow, core: PixelWindow | None) -> dict[int, _Glimpse]:
    """Return what pieces show in the overlap, without those that show nothing."""
    rows = store.table[numbers.start : numbers.stop]
    meets = (rows["col"] < right(overlap)) & (rows["col"] + rows["width"] > overlap.col)
    meets &= (rows["row"] < bottom(overlap)) & (rows["row"] + rows["height"] > overlap.row)
    glimpses = {}
    for number in (numbers.start + np.flatnonzero(meets)).tolist():
        piece = store.get(number)
        box = intersect(piece.box, overlap)
        if box is None:
            continue
        mask = piece.unpack_inside(overlap)
        area_px = int(np.count_nonzero(mask))
        if area_px:
            well_seen = intersect(box, core) if core else None
            core_px = int(np.count_nonzero(mask[slices_of(well_seen, box)])) if well_seen else 0
            glimpses[number] = _Glimpse(box, mask, area_px, core_px)
    return glimpses


def _compare(firsts: dict[int, _Glimpse], seconds: dict[int, _Glimpse], core: PixelWindow | None) -> list[Link]:
    if not firsts or not seconds:
        return []
    numbers = list(seconds)
    cols, rows, widths, heights = np.array([glimpse.box for glimpse in seconds.values()]).T
    links = []
    for first, glimpse in firsts.items():
        box = glimpse.box
        meets = (cols < right(box)) & (cols + widths > box.col) & (rows < bottom(box)) & (rows + heights > box.row)
        for place in np.flatnonzero(meets).tolist():
            agreement = _agree(glimpse, seconds[numbers[place]], core)
            if agreement >= SAME_OBJECT_IOU:
                links.append((agreement, first, numbers[place]))
    return links


def _agree(first: _Glimpse, second: _Glimpse, core: PixelWindow | None) -> float:
    """Return the IoU inside what both windows see well, or in all of their overlap where too little lies there."""
    common = intersect(first.box, second.box)
    is_well_seen = core is not None and all(
        item.core_px >= max(1, MIN_CORE_SHARE * item.area_px) for item in (first, second)
    )
    if is_well_seen and core is not None and common is not None:
        common = intersect(common, core)
    if common is None:
        return 0.0
    both = first.mask[slices_of(common, first.box)] & second.mask[slices_of(common, second.box)]
    n_common = int(np.count_nonzero(both))
    n_each = first.core_px + second.core_px if is_well_seen else first.area_px + second.area_px
    return n_common / (n_each - n_common)
