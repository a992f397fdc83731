"""Draws an object for the person who judges it: the image around it, its outline, its box."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from server.datasets.building.annotations import Annotation
from server.datasets.building.run_lengths import read_mask
from server.datasets.detections.fitting import Target
from server.rasters.look import choose_bands
from server.rasters.preview import encode_picture
from server.rasters.windows import PatchReader, PixelWindow

# As much ground on every side as the object is long, so that its surroundings explain it.
SURROUNDINGS = 1.0
MIN_SIDE_PX = 64
# Pixels of the picture: large images are averaged, small ones magnified so that single pixels can be judged.
PICTURE_PX = 768
MAX_MAGNIFICATION = 8
OUTLINE_RGB, BOX_RGB, HALO_RGB = (255, 221, 0), (64, 200, 255), (20, 20, 20)
# OpenCV draws with this many bits after the point.
_SHIFT = 4


def plan_view(annotation: Annotation, target: Target, size: tuple[int, int]) -> PixelWindow:
    """Return the part of an image that shows an object: its mask and its box with ground around them.

    Args:
        annotation: with a mask or without.
        target: what was asked for.
        size: width and height of the image.
    """
    x, y, width, height = annotation["bbox"]
    boxes = [list(target.box)] + ([[x, y, x + width, y + height]] if width and height else [])
    edges = np.array(boxes)
    low, high = edges[:, :2].min(axis=0), edges[:, 2:].max(axis=0)
    longest = float((high - low).max())
    side = max(MIN_SIDE_PX, math.ceil(longest * (1 + 2 * SURROUNDINGS)))
    starts = [
        min(max(round(middle - side / 2), 0), max(length - side, 0))
        for middle, length in zip(((low + high) / 2).tolist(), size, strict=True)
    ]
    return PixelWindow(starts[0], starts[1], min(side, size[0]), min(side, size[1]))


def draw_object(image: Path, annotation: Annotation, target: Target, view: PixelWindow, *, is_outlined: bool) -> bytes:
    """Return a PNG of a part of an image.

    Args:
        image: the file.
        annotation: its mask is outlined.
        target: its box is drawn.
        view: the part.
        is_outlined: False shows the bare image.

    Raises:
        NotARaster: the image cannot be read.
    """
    scale = min(PICTURE_PX / max(view.width, view.height), MAX_MAGNIFICATION)
    shape = max(1, round(view.height * scale)), max(1, round(view.width * scale))
    with PatchReader(image, choose_bands(image, None)) as reader:
        patch = reader.read_patch(view, shape)
    rgb = patch.rgb.copy()
    if is_outlined:
        scale_xy = np.array([shape[1] / view.width, shape[0] / view.height])
        corner = np.array([view.col, view.row])
        if not target.detection.is_point:
            _draw_lines(rgb, [(target.detection.corners - corner) * scale_xy], BOX_RGB, 1)
        for colour, thickness in ((HALO_RGB, 4), (OUTLINE_RGB, 2)):
            _draw_lines(rgb, _find_outlines(annotation, view, shape), colour, thickness)
    return encode_picture(rgb, patch.valid)


def _find_outlines(annotation: Annotation, view: PixelWindow, shape: tuple[int, int]) -> list[NDArray[np.floating]]:
    """Return the borders of a mask in pixels of the picture, along the borders of the image's pixels."""
    x, y, width, height = annotation["bbox"]
    if not width or not height:
        return []
    whole = np.zeros((view.height, view.width), np.uint8)
    left, top = x - view.col, y - view.row
    whole[top : top + height, left : left + width] = read_mask(annotation)
    drawn = cv2.resize(whole, shape[::-1], interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(drawn, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [np.asarray(contour, np.float64).reshape(-1, 2) for contour in contours]


def _draw_lines(
    rgb: NDArray[np.uint8], rings: list[NDArray[np.floating]], colour: tuple[int, int, int], thickness: int
) -> None:
    fixed = [np.round(ring * (1 << _SHIFT)).astype(np.int32) for ring in rings]
    cv2.polylines(rgb, fixed, True, colour, thickness, cv2.LINE_AA, _SHIFT)
