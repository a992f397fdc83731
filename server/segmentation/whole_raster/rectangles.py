"""Arithmetic of pixel rectangles, so that nobody writes it a second time."""

from __future__ import annotations

from collections.abc import Iterable

from server.rasters.windows import PixelWindow


def right(window: PixelWindow) -> int:
    """Return the first column to the right of `window`."""
    return window.col + window.width


def bottom(window: PixelWindow) -> int:
    """Return the first row below `window`."""
    return window.row + window.height


def intersect(first: PixelWindow, second: PixelWindow) -> PixelWindow | None:
    """Return the common part of two windows, or None where they have no pixel in common."""
    col, row = max(first.col, second.col), max(first.row, second.row)
    width = min(right(first), right(second)) - col
    height = min(bottom(first), bottom(second)) - row
    return PixelWindow(col, row, width, height) if width > 0 and height > 0 else None


def enclose(windows: Iterable[PixelWindow]) -> PixelWindow:
    """Return the smallest window around all of `windows`, of which there is at least one."""
    items = list(windows)
    col, row = min(item.col for item in items), min(item.row for item in items)
    return PixelWindow(col, row, max(right(item) for item in items) - col, max(bottom(item) for item in items) - row)


def slices_of(part: PixelWindow, whole: PixelWindow) -> tuple[slice, slice]:
    """Return the (row, col) slices that cut `part` out of an array that covers `whole`."""
    row, col = part.row - whole.row, part.col - whole.col
    return slice(row, row + part.height), slice(col, col + part.width)


def shrink(window: PixelWindow, margin: int, inside: PixelWindow) -> PixelWindow | None:
    """Take `margin` pixels off each side of `window` that is not a side of `inside` too; None where nothing is left."""
    col = window.col + (margin if window.col > inside.col else 0)
    row = window.row + (margin if window.row > inside.row else 0)
    width = right(window) - (margin if right(window) < right(inside) else 0) - col
    height = bottom(window) - (margin if bottom(window) < bottom(inside) else 0) - row
    return PixelWindow(col, row, width, height) if width > 0 and height > 0 else None
