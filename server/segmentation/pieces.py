"""What one window saw of one object, kept small enough that a whole raster's objects fit in memory."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskRecord, crop_mask

# A mask this close to the border of its window is taken as cut by it: upsampled masks may end a pixel early.
CUT_MARGIN_PX = 2


@dataclass(frozen=True)
class Piece:
    """One mask of one window, in pixels of the raster.

    Attributes:
        window: the window that saw it.
        box: its bounding box.
        packed: the mask inside the box, one bit per pixel in row order, compressed.
        area_px: number of pixels.
        predicted_iou: the network's own rating, 0..1.
        stability_score: 0..1.
        point_xy: the click that found it.
        is_cut: True where the object seems to go on outside the window.
    """

    window: PixelWindow
    box: PixelWindow
    packed: bytes
    area_px: int
    predicted_iou: float
    stability_score: float
    point_xy: tuple[float, float]
    is_cut: bool

    def unpack(self) -> NDArray[np.bool_]:
        """Return the mask, bool (box.height, box.width)."""
        bits = np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8)
        flat = np.unpackbits(bits, count=self.box.width * self.box.height)
        return flat.reshape(self.box.height, self.box.width).view(np.bool_)

    def unpack_inside(self, area: PixelWindow) -> NDArray[np.bool_]:
        """Return the part of the mask inside `area`, which must overlap the box; shape that of the intersection."""
        common = intersect(self.box, area)
        if common is None:
            raise ValueError(f"{area} does not overlap {self.box}")
        return self.unpack()[slices_of(common, self.box)]


def make_piece(record: MaskRecord, window: PixelWindow, valid: NDArray[np.bool_], region: PixelWindow) -> Piece | None:
    """Place a record of a patch in the raster.

    Args:
        record: one mask of the patch.
        window: where the patch lies.
        valid: bool (window.height, window.width), True where the raster has data; other pixels leave the mask.
        region: all that is being segmented; its borders do not count as cuts.

    Returns:
        The piece, or None where no valid pixel is left.
    """
    x, y, width, height = record.bbox_xywh
    cropped = crop_mask(record.mask & valid[y : y + height, x : x + width])
    if cropped is None:
        return None
    mask, (dx, dy, width, height) = cropped
    box = PixelWindow(window.col + x + dx, window.row + y + dy, width, height)
    return Piece(
        window=window,
        box=box,
        packed=zlib.compress(np.packbits(mask).tobytes(), level=1),
        area_px=int(np.count_nonzero(mask)),
        predicted_iou=record.predicted_iou,
        stability_score=record.stability_score,
        point_xy=(window.col + record.point_xy[0], window.row + record.point_xy[1]),
        is_cut=_is_cut(box, window, region),
    )


def _is_cut(box: PixelWindow, window: PixelWindow, region: PixelWindow) -> bool:
    near = CUT_MARGIN_PX
    return (
        (window.col > region.col and box.col - window.col < near)
        or (window.row > region.row and box.row - window.row < near)
        or (right(window) < right(region) and right(window) - right(box) < near)
        or (bottom(window) < bottom(region) and bottom(window) - bottom(box) < near)
    )


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


def enclose(windows: list[PixelWindow]) -> PixelWindow:
    """Return the smallest window around all of `windows`."""
    col, row = min(item.col for item in windows), min(item.row for item in windows)
    return PixelWindow(
        col, row, max(right(item) for item in windows) - col, max(bottom(item) for item in windows) - row
    )


def slices_of(part: PixelWindow, whole: PixelWindow) -> tuple[slice, slice]:
    """Return the (row, col) slices that cut `part` out of an array that covers `whole`."""
    row, col = part.row - whole.row, part.col - whole.col
    return slice(row, row + part.height), slice(col, col + part.width)
