"""What one window saw of one object, kept small enough that a whole raster's objects are a small file."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskRecord, crop_mask
from server.segmentation.whole_raster.rectangles import bottom, intersect, right, slices_of

# A mask this close to an inner border of its window is taken as cut by it: upsampled masks may end a pixel early.
CUT_MARGIN_PX = 2
# The margin of a mask in a window that has no inner border.
NO_BORDER = 2**30


@dataclass(frozen=True, slots=True)
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
        margin_px: pixels between the box and the nearest inner border of the window; `NO_BORDER` without one.
    """

    window: PixelWindow
    box: PixelWindow
    packed: bytes
    area_px: int
    predicted_iou: float
    stability_score: float
    point_xy: tuple[float, float]
    margin_px: int

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

    def draw_inside(self, area: PixelWindow) -> NDArray[np.bool_]:
        """Return bool (area.height, area.width): the mask where it lies in `area`, False elsewhere."""
        drawn = np.zeros((area.height, area.width), dtype=np.bool_)
        common = intersect(self.box, area)
        if common is not None:
            drawn[slices_of(common, area)] = self.unpack_inside(area)
        return drawn


@dataclass(frozen=True)
class SeenPatch:
    """Where a patch lies and what of it counts.

    Attributes:
        window: of the raster.
        shape: rows and columns of the patch the network saw; differs from the window's where it was resampled.
        valid: bool (window.height, window.width), True where masks may lie; None means everywhere.
        region: all that is being segmented; its borders do not cut objects.
    """

    window: PixelWindow
    shape: tuple[int, int]
    valid: NDArray[np.bool_] | None
    region: PixelWindow

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Pixels of the raster per pixel of the patch."""
        return self.window.width / self.shape[1], self.window.height / self.shape[0]


def make_piece(record: MaskRecord, seen: SeenPatch) -> Piece | None:
    """Place a record of a patch in the raster; None where no valid pixel is left."""
    window = seen.window
    mask, box = _place(record, seen)
    if seen.valid is not None:
        mask = mask & seen.valid[slices_of(box, window)]
    cropped = crop_mask(mask)
    if cropped is None:
        return None
    mask, (dx, dy, width, height) = cropped
    box = PixelWindow(box.col + dx, box.row + dy, width, height)
    scale_x, scale_y = seen.scale_xy
    return Piece(
        window=window,
        box=box,
        packed=pack(mask),
        area_px=int(np.count_nonzero(mask)),
        predicted_iou=record.predicted_iou,
        stability_score=record.stability_score,
        point_xy=(window.col + record.point_xy[0] * scale_x, window.row + record.point_xy[1] * scale_y),
        margin_px=measure_margin(box, window, seen.region),
    )


def pack(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask as `Piece` stores it."""
    return zlib.compress(np.packbits(mask).tobytes(), level=1)


def _place(record: MaskRecord, seen: SeenPatch) -> tuple[NDArray[np.bool_], PixelWindow]:
    """Return the record's mask in pixels of the raster with the box it fills."""
    x, y, width, height = record.bbox_xywh
    window = seen.window
    if seen.shape == (window.height, window.width):
        return record.mask, PixelWindow(window.col + x, window.row + y, width, height)
    scale_x, scale_y = seen.scale_xy
    # Half a pixel of the patch around the mask is where its interpolated outline can lie.
    left, top = max(int((x - 1) * scale_x), 0), max(int((y - 1) * scale_y), 0)
    n_cols = min(int(np.ceil((x + width + 1) * scale_x)), window.width) - left
    n_rows = min(int(np.ceil((y + height + 1) * scale_y)), window.height) - top
    # From pixel centres of the raster to those of the mask; outside the mask lies background, but not beyond the patch.
    to_mask = np.array(
        [
            [1 / scale_x, 0, (left + 0.5) / scale_x - 0.5 - x + 1],
            [0, 1 / scale_y, (top + 0.5) / scale_y - 0.5 - y + 1],
        ]
    )
    drawn = cv2.warpAffine(
        _pad(record, seen.shape),
        to_mask,
        (n_cols, n_rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(drawn >= 128, dtype=np.bool_), PixelWindow(window.col + left, window.row + top, n_cols, n_rows)


def _pad(record: MaskRecord, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the mask as 0 and 255 with a rim of one pixel, which repeats the mask along the sides of the patch."""
    x, y, width, height = record.bbox_xywh
    padded = np.pad(record.mask.astype(np.uint8) * np.uint8(255), 1)
    if y == 0:
        padded[0] = padded[1]
    if y + height == shape[0]:
        padded[-1] = padded[-2]
    if x == 0:
        padded[:, 0] = padded[:, 1]
    if x + width == shape[1]:
        padded[:, -1] = padded[:, -2]
    return padded


def measure_margin(box: PixelWindow, window: PixelWindow, region: PixelWindow) -> int:
    """Return the pixels between `box` and the nearest side of `window` that is not a side of `region`."""
    gaps = [NO_BORDER]
    if window.col > region.col:
        gaps.append(box.col - window.col)
    if window.row > region.row:
        gaps.append(box.row - window.row)
    if right(window) < right(region):
        gaps.append(right(window) - right(box))
    if bottom(window) < bottom(region):
        gaps.append(bottom(window) - bottom(box))
    return min(gaps)
