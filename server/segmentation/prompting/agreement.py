"""Measures how well a mask does what its prompts say, which networks do not weigh enough in their own ratings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.segmentation.prompting.prompts import Extent, Prompts

Box = tuple[int, int, int, int]


def measure_agreement(mask: NDArray[np.bool_], bbox_xywh: Box, prompts: Prompts) -> float:
    """Return the share of clicks a mask obeys, times the IoU of its box and a box among the prompts.

    Ordered by the predicted IoU alone, the first mask of boxes around roofs in aerial images had a mean IoU of 0.75;
    times this, 0.79.

    Args:
        mask: bool (H, W), not empty.
        bbox_xywh: its box.
        prompts: in the same pixels.

    Returns:
        0..1.
    """
    agreement = 1.0
    if len(prompts.points_xy):
        rows, cols = mask.shape
        x, y = prompts.points_xy.astype(np.int64).T
        is_inside = mask[y.clip(0, rows - 1), x.clip(0, cols - 1)]
        agreement = float(np.mean(is_inside == (prompts.labels == 1)))
    return agreement if prompts.box is None else agreement * _compare(bbox_xywh, prompts.box)


def _compare(bbox_xywh: Box, box: Extent) -> float:
    """Return the IoU of two boxes."""
    x, y, width, height = bbox_xywh
    across = min(x + width, box.x1) - max(x, box.x0)
    down = min(y + height, box.y1) - max(y, box.y0)
    common = max(across, 0.0) * max(down, 0.0)
    return common / (width * height + (box.x1 - box.x0) * (box.y1 - box.y0) - common)
