"""Decides in which window of an image each object is shown to the network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from server.datasets.detections.fitting import Target
from server.datasets.detections.records import Box
from server.rasters.windows import PixelWindow, plan_windows

# Share of a window that its neighbour sees too: objects up to that size are whole in some window.
OVERLAP_SHARE = 0.25
# The longest side of an object takes at most this share of a window of its own, so that some ground is seen around it.
LARGEST_SHARE = 0.75


@dataclass(frozen=True)
class Look:
    """A part of an image and what is asked there.

    Attributes:
        window: the part.
        shape: rows and columns of the patch; fewer than those of the window where it is shown at a coarser scale.
        targets: in the order of their ids.
    """

    window: PixelWindow
    shape: tuple[int, int]
    targets: tuple[Target, ...]

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Pixels of the image for one of the patch, along x and y."""
        return self.window.width / self.shape[1], self.window.height / self.shape[0]


def plan_looks(targets: Iterable[Target], size: tuple[int, int], *, window_px: int, input_px: int) -> list[Look]:
    """Return the windows in which objects are asked for, each object in one of them.

    Windows of a regular grid overlap by a quarter. An object belongs to the one that holds it whole and whose centre is
    nearest to its own. An object that no window of the grid holds, or that would fill more than three quarters of one,
    gets a window of its own around it, as large as it must be; where that is more than `input_px`, the network sees it
    at a coarser scale. Windows without objects are not looked at.

    Args:
        targets: of one image.
        size: its width and height.
        window_px: side of the grid's windows.
        input_px: side of the largest patch the network takes.
    """
    grid = plan_windows(*size, size=window_px, overlap=int(window_px * OVERLAP_SHARE))
    by_window: dict[PixelWindow, list[Target]] = {}
    for target in targets:
        window = _choose(target.box, grid, size) or _make_own(target.box, size, window_px)
        by_window.setdefault(window, []).append(target)
    looks = []
    for window in sorted(by_window, key=lambda window: (window.row, window.col, window.height, window.width)):
        shrink = min(1.0, input_px / max(window.width, window.height))
        shape = (max(1, round(window.height * shrink)), max(1, round(window.width * shrink)))
        looks.append(Look(window, shape, tuple(by_window[window])))
    return looks


def _choose(box: Box, grid: Sequence[PixelWindow], size: tuple[int, int]) -> PixelWindow | None:
    """Return the window that holds a box best; None where none does. Ties go to the upper, then the left one."""
    held = [window for window in grid if _holds(window, box) and _leaves_room(window, box, size)]
    x, y = box.centre
    return min(held, key=lambda window: math.dist(_centre_of(window), (x, y)), default=None)


def _holds(window: PixelWindow, box: Box) -> bool:
    return (
        window.col <= box.x0
        and window.row <= box.y0
        and box.x1 <= window.col + window.width
        and box.y1 <= window.row + window.height
    )


def _leaves_room(window: PixelWindow, box: Box, size: tuple[int, int]) -> bool:
    """Tell whether there is ground around the box, unless the window is the whole image anyway."""
    is_whole = (window.width, window.height) == size
    return is_whole or max(box.width, box.height) <= LARGEST_SHARE * max(window.width, window.height)


def _make_own(box: Box, size: tuple[int, int], window_px: int) -> PixelWindow:
    """Return a square window around a box, moved into the image and cut to it where it is larger."""
    side = max(window_px, math.ceil(max(box.width, box.height) / LARGEST_SHARE))
    starts = []
    for centre, length in zip(box.centre, size, strict=True):
        starts.append(min(max(round(centre - side / 2), 0), max(length - side, 0)))
    return PixelWindow(starts[0], starts[1], min(side, size[0]), min(side, size[1]))


def _centre_of(window: PixelWindow) -> tuple[float, float]:
    return window.col + window.width / 2, window.row + window.height / 2
