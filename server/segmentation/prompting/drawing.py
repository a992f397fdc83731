"""Draws a mask of a look in pixels of the raster, without those that hold no data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import crop_mask
from server.segmentation.prompting.earlier_masks import SeenLogits
from server.segmentation.prompting.looks import Look
from server.segmentation.prompting.patches import LookReader

# Larger masks of a coarse look keep the resolution that the network saw: drawing and outlining 8 million pixels takes
# a third of a second, and OpenCV draws no side longer than the second number.
MAX_DRAWN_PX = 2**23
MAX_DRAWN_SIDE = 2**15 - 1


@dataclass(frozen=True)
class DrawnMask:
    """A mask cut to its box.

    Attributes:
        mask: bool (H, W).
        corner_xy: where its upper left corner lies, in pixels of the raster.
        scale_xy: pixels of the raster per pixel of the mask; 1 unless the mask is very large.
    """

    mask: NDArray[np.bool_]
    corner_xy: tuple[float, float]
    scale_xy: tuple[float, float]


def draw_mask(mask: NDArray[np.bool_], seen: SeenLogits, mask_threshold: float, reader: LookReader) -> DrawnMask | None:
    """Return a mask as it lies in the raster, None where no pixel with data is left.

    Args:
        mask: bool (rows, columns) of the patch, without what holds no data there.
        seen: what it was cut from.
        mask_threshold: where it was cut.
        reader: tells which pixels hold data, where the patch did not have all pixels.
    """
    look = seen.look
    cropped = crop_mask(mask)
    if cropped is None:
        return None
    part, (x, y, _, _) = cropped
    scale_x, scale_y = look.scale_xy
    corner = (look.window.col + x * scale_x, look.window.row + y * scale_y)
    if look.is_native:
        return DrawnMask(part, corner, (1.0, 1.0))
    area = place_box(cropped[1], look, margin=1)  # an interpolated outline may lie a pixel of the patch further out
    if area.width * area.height > MAX_DRAWN_PX or max(area.width, area.height) > MAX_DRAWN_SIDE:
        return DrawnMask(part, corner, look.scale_xy)
    fine = (_upsample(seen, area) > mask_threshold) & reader.read_valid(area)
    cropped = crop_mask(fine)
    if cropped is None:
        return None
    part, (x, y, _, _) = cropped
    return DrawnMask(part, (area.col + x, area.row + y), (1.0, 1.0))


def place_box(bbox_xywh: tuple[int, int, int, int], look: Look, margin: int = 0) -> PixelWindow:
    """Return the pixels of the raster that a box of the patch covers, wholly or in part.

    Args:
        bbox_xywh: in pixels of the patch.
        look: where the patch lies.
        margin: pixels of the patch around the box that are taken along, as far as it goes.
    """
    x, y, width, height = bbox_xywh
    window, (scale_x, scale_y) = look.window, look.scale_xy
    left, top = max(int((x - margin) * scale_x), 0), max(int((y - margin) * scale_y), 0)
    right = min(math.ceil((x + width + margin) * scale_x), window.width)
    bottom = min(math.ceil((y + height + margin) * scale_y), window.height)
    return PixelWindow(window.col + left, window.row + top, right - left, bottom - top)


def _upsample(seen: SeenLogits, area: PixelWindow) -> NDArray[np.float32]:
    """Return the logits at the centres of the pixels of `area`, float32 (area.height, area.width)."""
    (to_low_x, to_low_y), window = seen.to_low, seen.look.window
    to_logits = np.array(
        [
            [to_low_x, 0, (area.col - window.col + 0.5) * to_low_x - 0.5],
            [0, to_low_y, (area.row - window.row + 0.5) * to_low_y - 0.5],
        ]
    )
    drawn = cv2.warpAffine(
        seen.logits,
        to_logits,
        (area.width, area.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(drawn, dtype=np.float32)
