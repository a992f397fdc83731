"""Outlines for objects that are known by boxes alone, drawn by an earlier network, as SAMRS does (arXiv 2305.02034)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from segment_anything import SamPredictor

from server.rasters.windows import PixelWindow, plan_windows
from server.segmentation.networks.embedded import EmbeddedSam
from server.training.labelled_images import UNKNOWN, LabelledImage
from server.training.metrics.pixels import measure_iou
from server.training.scene_canvas import Mask

# An outline is believed where it fills its box to all four sides and stays when the box is clicked on, too.
MIN_BOX_IOU, MIN_AGREEMENT, MIN_FILLED_SHARE = 0.75, 0.8, 0.35
# Objects are looked at with this much of their surroundings, if there is any.
MARGIN_PX = 8


def outline_boxes(network: EmbeddedSam, rgb: NDArray[np.uint8], boxes_xyxy: NDArray[np.float64]) -> LabelledImage:
    """Return an image with an outline for every box whose outline is not in doubt.

    Args:
        network: in evaluation mode.
        rgb: uint8 (H, W, 3).
        boxes_xyxy: float64 (N, 4), x0, y0, x1, y1 in pixels.

    Returns:
        The image with objects 1, 2, …; unknown in the other boxes, 0 elsewhere: that ground belongs to no object here.
    """
    shape = rgb.shape[0], rgb.shape[1]
    labels = np.zeros(shape, np.int32)
    predictor = SamPredictor(network)
    waiting = np.ones(len(boxes_xyxy), bool)
    side = network.image_encoder.img_size
    for window in plan_windows(shape[1], shape[0], size=side, overlap=side // 2):
        held = [index for index in np.flatnonzero(waiting) if _holds(window, boxes_xyxy[index], shape)]
        if not held:
            continue
        predictor.set_image(np.ascontiguousarray(rgb[window.slices]))
        part = labels[window.slices]
        for index in held:
            waiting[index] = False
            box = boxes_xyxy[index] - np.tile([window.col, window.row], 2)
            _draw(part, _fill(box, part.shape), _outline(predictor, box), int(labels.max()) + 1)
    for box in boxes_xyxy[waiting]:  # larger than a window
        labels[_fill(box, shape) & (labels == 0)] = UNKNOWN
    return LabelledImage(rgb, labels)


def _draw(labels: NDArray[np.int32], filled: Mask, outline: Mask | None, label: int) -> None:
    """Draw an object, or its box as unknown, where nothing is drawn yet."""
    if outline is None:
        labels[filled & (labels == 0)] = UNKNOWN
    else:
        labels[outline & (labels <= 0)] = label


def _outline(predictor: SamPredictor, box: NDArray[np.float64]) -> Mask | None:
    """Return the mask of a box inside it, None where it is in doubt."""
    centre = ((box[:2] + box[2:]) / 2)[None]
    alone = predictor.predict(box=box, multimask_output=False)[0][0]
    clicked = predictor.predict(centre, np.ones(1), box=box, multimask_output=False)[0][0]
    filled = _fill(box, alone.shape)
    alone, clicked = alone & filled, clicked & filled
    rows, cols = np.nonzero(alone)
    if len(rows) < MIN_FILLED_SHARE * np.count_nonzero(filled) or len(rows) == 0:
        return None
    reached = _fill(np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]), alone.shape)
    everywhere = np.ones_like(alone)
    if (
        measure_iou(reached, filled, everywhere) < MIN_BOX_IOU
        or measure_iou(alone, clicked, everywhere) < MIN_AGREEMENT
    ):
        return None
    return np.asarray(alone, bool)


def _holds(window: PixelWindow, box: NDArray[np.float64], shape: tuple[int, int]) -> bool:
    """Tell whether a box lies in a window, away from those of its sides that cut the image of `shape` (H, W)."""
    right, below = window.col + window.width, window.row + window.height
    return bool(
        box[0] >= (window.col + MARGIN_PX if window.col else 0)
        and box[1] >= (window.row + MARGIN_PX if window.row else 0)
        and box[2] <= (right - MARGIN_PX if right < shape[1] else right)
        and box[3] <= (below - MARGIN_PX if below < shape[0] else below)
    )


def _fill(box: NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """Return bool (H, W), true inside a box."""
    x0, y0, x1, y1 = np.maximum(np.rint(box), 0).astype(int)
    filled = np.zeros(shape, bool)
    filled[y0:y1, x0:x1] = True
    return filled
