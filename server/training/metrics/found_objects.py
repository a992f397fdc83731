"""Which true objects a set of masks finds, and how much of the ground the masks cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.segmentation.mask_records import MaskRecord
from server.training.metrics.pixels import Mask


@dataclass(frozen=True)
class FoundObjects:
    """What masks of one image find.

    Attributes:
        ids: int64 (N,), the true objects.
        areas_px: int64 (N,), their known pixels.
        best_ious: float64 (N,), of the mask that fits each best; 0 where none touches it.
        n_covered_px: known pixels that belong to any mask.
        n_known_px: known pixels.
    """

    ids: NDArray[np.int64]
    areas_px: NDArray[np.int64]
    best_ious: NDArray[np.float64]
    n_covered_px: int
    n_known_px: int

    def recall(self, iou: float) -> float:
        """Return the share of objects whose best mask has at least this IoU; NaN without objects."""
        return float((self.best_ious >= iou).mean()) if len(self.ids) else float("nan")


def find_objects(objects: NDArray[np.int32], masks: Sequence[MaskRecord]) -> FoundObjects:
    """Compare masks, which may overlap, with true objects.

    Args:
        objects: int32 (H, W), ids from 1, 0 for ground without object, -1 unknown: there masks count as neither.
        masks: of the same pixels.
    """
    known = objects >= 0
    areas = np.bincount(objects[known], minlength=1)
    best = np.zeros(len(areas))
    covered: Mask = np.zeros(objects.shape, np.bool_)
    for record in masks:
        x, y, width, height = record.bbox_xywh
        box = (slice(y, y + height), slice(x, x + width))
        mask = record.mask & known[box]
        shared = np.bincount(objects[box][mask], minlength=len(areas))
        union = areas + int(np.count_nonzero(mask)) - shared
        best = np.maximum(best, np.divide(shared, union, out=np.zeros(len(areas)), where=union > 0))
        covered[box] |= mask
    ids = np.flatnonzero(areas[1:]) + 1
    return FoundObjects(ids, areas[ids], best[ids], int(np.count_nonzero(covered)), int(np.count_nonzero(known)))
