"""How many clicks an object takes: NoC, the measure of interactive segmentation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClicksNeeded:
    """Number of clicks (NoC) of one target.

    Attributes:
        mean: over objects; those that never reach the target count with all clicks that were tried.
        share_failed: of objects that never reach it, 0..1.
    """

    mean: float
    share_failed: float


def count_clicks(ious: NDArray[np.float64], target: float) -> ClicksNeeded:
    """Return how many clicks reach an IoU of `target`.

    Args:
        ious: (N, K), IoU of each object after 1..K clicks; NaN after the last click where no more were made.
        target: 0..1; reaching it exactly counts.

    Raises:
        ValueError: there are no objects.
    """
    if ious.size == 0:
        raise ValueError("clicks of no objects have no mean")
    has_reached = np.nan_to_num(ious, nan=0.0) >= target
    is_reached = has_reached.any(axis=1)
    clicks = np.where(is_reached, has_reached.argmax(axis=1) + 1, ious.shape[1])
    return ClicksNeeded(float(clicks.mean()), float(1 - is_reached.mean()))
