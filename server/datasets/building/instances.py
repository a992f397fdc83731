"""Brings masks back into pixels of their image, cuts them to their boxes if asked, and judges them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from server.datasets.building.asking import Candidate
from server.datasets.building.settings import BuildSettings, Gate, PromptKind
from server.datasets.detections.fitting import Target
from server.datasets.detections.records import Box
from server.rasters.windows import PixelWindow
from server.segmentation.batch_prompts.filled import hold_centres
from server.segmentation.mask_records import MaskRecord, crop_mask

HALF = 0.5


class Rejection(StrEnum):
    """Why a mask does not enter the dataset; the value is its name in counts and files."""

    NOTHING = "no_mask"
    IOU = "low_predicted_iou"
    STABILITY = "low_stability"
    BOX = "box_disagrees"
    SMALL = "small_for_its_box"
    LARGE = "large_for_its_box"


@dataclass(frozen=True, eq=False)
class Instance:
    """What became of one detection.

    Attributes:
        target: the detection.
        prompt: what the network was asked with.
        mask: bool (height, width) of the window; (0, 0) without a mask.
        window: where the mask lies in the image.
        predicted_iou: the network's own rating, 0..1.
        stability_score: 0..1.
        rejection: None where the mask passed the gate.
    """

    target: Target
    prompt: PromptKind
    mask: NDArray[np.bool_]
    window: PixelWindow
    predicted_iou: float
    stability_score: float
    rejection: Rejection | None

    @property
    def area_px(self) -> int:
        """Pixels of the mask."""
        return int(np.count_nonzero(self.mask))

    @property
    def box_iou(self) -> float | None:
        """IoU of the mask's box with the detection's; None where only a point is known."""
        if self.target.detection.is_point:
            return None
        return _box_of(self.window).iou(self.target.box)


def make_instance(candidate: Candidate, settings: BuildSettings, valid: NDArray[np.bool_]) -> Instance:
    """Bring a candidate into pixels of the image and judge it.

    Args:
        candidate: in pixels of its patch.
        settings: gate, and whether masks are cut to their boxes.
        valid: bool (rows, columns) of the window that was looked at: where the image holds data.
    """
    record = candidate.record
    placed = _place(candidate)
    if placed is not None:
        mask, window = placed
        mask = mask & _cut_out(valid, window, candidate.look.window)
        if settings.constrain and not candidate.target.detection.is_point:
            corners = candidate.target.detection.corners - (window.col, window.row)
            mask &= hold_centres(corners, mask.shape)
        placed = _crop(mask, window)
    if record is None or placed is None:
        nothing = np.zeros((0, 0), np.bool_)
        window = PixelWindow(0, 0, 0, 0)
        return Instance(candidate.target, candidate.prompt, nothing, window, 0.0, 0.0, Rejection.NOTHING)
    mask, window = placed
    ratings = record.predicted_iou, record.stability_score
    rejection = judge(candidate, record, placed, settings.gate)
    return Instance(candidate.target, candidate.prompt, mask, window, *ratings, rejection)


def judge(
    candidate: Candidate, record: MaskRecord, placed: tuple[NDArray[np.bool_], PixelWindow], gate: Gate
) -> Rejection | None:
    """Return the first reason to reject a mask, None where there is none.

    Args:
        candidate: what was asked for, and with what.
        record: the mask as the network rated it.
        placed: the mask and where it lies in the image.
        gate: what it must reach.
    """
    least_iou, least_stability = gate.min_ratings(candidate.prompt)
    if record.predicted_iou < least_iou:
        return Rejection.IOU
    if not record.stability_score >= least_stability:  # also for NaN
        return Rejection.STABILITY
    target, (mask, window) = candidate.target, placed
    if target.detection.is_point:
        return None
    if _box_of(window).iou(target.box) < gate.min_box_iou:
        return Rejection.BOX
    ratio = np.count_nonzero(mask) / target.box.area
    if ratio < gate.min_area_ratio:
        return Rejection.SMALL
    return Rejection.LARGE if ratio > gate.max_area_ratio else None


def _place(candidate: Candidate) -> tuple[NDArray[np.bool_], PixelWindow] | None:
    """Return a mask in pixels of the image and where it lies there."""
    record, look = candidate.record, candidate.look
    if record is None:
        return None
    x, y, width, height = record.bbox_xywh
    window = look.window
    if look.shape == (window.height, window.width):
        return record.mask, PixelWindow(window.col + x, window.row + y, width, height)
    across, down = look.scale_xy
    left, top = round(x * across), round(y * down)
    right, bottom = round((x + width) * across), round((y + height) * down)
    size = (max(right - left, 1), max(bottom - top, 1))
    smooth = cv2.resize(record.mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return smooth >= HALF, PixelWindow(window.col + left, window.row + top, *size)


def _cut_out(valid: NDArray[np.bool_], part: PixelWindow, whole: PixelWindow) -> NDArray[np.bool_]:
    """Return the rows and columns of `part` out of an array that covers `whole`."""
    row, col = part.row - whole.row, part.col - whole.col
    return valid[row : row + part.height, col : col + part.width]


def _crop(mask: NDArray[np.bool_], window: PixelWindow) -> tuple[NDArray[np.bool_], PixelWindow] | None:
    cropped = crop_mask(mask)
    if cropped is None:
        return None
    inner, (x, y, width, height) = cropped
    return inner, PixelWindow(window.col + x, window.row + y, width, height)


def _box_of(window: PixelWindow) -> Box:
    return Box(window.col, window.row, window.col + window.width, window.row + window.height)
