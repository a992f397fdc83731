"""Drops duplicates by their boxes, with the rule and the rounding of the SAM release."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import nms

BoxXywh = tuple[int, int, int, int]


def suppress_overlaps(
    boxes_xywh: Sequence[BoxXywh], scores: Sequence[float] | NDArray[np.float32], iou_threshold: float
) -> list[int]:
    """Return the boxes to keep, best score first: of two that overlap more than the threshold the better one stays.

    Args:
        boxes_xywh: width and height count pixels.
        scores: one per box; equal ones keep their order.
        iou_threshold: 0..1, compared with the intersection over union of the boxes, not of the masks.
    """
    if not boxes_xywh:
        return []
    corners = torch.tensor(boxes_xywh, dtype=torch.float32)
    # SAM's boxes end on the last pixel, so they are one pixel narrower and their overlaps a little different.
    corners[:, 2:] += corners[:, :2] - 1
    kept: list[int] = nms(corners, torch.as_tensor(scores, dtype=torch.float32), iou_threshold).tolist()
    return kept
