"""clDice: whether thin things stay connected, which pixel scores of roads and paths do not see."""

from __future__ import annotations

import numpy as np
from skimage.morphology import skeletonize

from server.training.metrics.pixels import Mask, divide


def measure_cl_dice(predicted: Mask, truth: Mask, known: Mask | None = None) -> float:
    """Return clDice (Shit et al., 2021): the harmonic mean of how much of each centre line the other mask covers.

    Args:
        predicted: bool (H, W).
        truth: bool (H, W).
        known: bool (H, W); other pixels are taken out of both masks before their centre lines are drawn, so that a
            line that only leads through unknown ground is not missed. None means everywhere.

    Returns:
        0..1; 1 where both are empty, 0 where only one is.
    """
    if known is not None:
        predicted, truth = predicted & known, truth & known
    if not (predicted.any() and truth.any()):
        return 1.0 if not (predicted.any() or truth.any()) else 0.0
    precision = _share_covered(_draw_centre_line(predicted), truth)
    sensitivity = _share_covered(_draw_centre_line(truth), predicted)
    return divide(2 * precision * sensitivity, precision + sensitivity, 0.0)


def _draw_centre_line(mask: Mask) -> Mask:
    return np.asarray(skeletonize(mask), np.bool_)  # type: ignore[no-untyped-call]  # the package ships no types


def _share_covered(line: Mask, mask: Mask) -> float:
    return int(np.count_nonzero(line & mask)) / int(np.count_nonzero(line))
