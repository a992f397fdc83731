"""How well outlines agree, whatever the size of what they surround: F1 of boundary pixels with a tolerance."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from server.training.metrics.pixels import Mask, divide


def measure_boundary_f1(predicted: Mask, truth: Mask, tolerance_px: float, known: Mask | None = None) -> float:
    """Return the F1 of boundary pixels that lie within a tolerance of the other boundary.

    The boundary of a mask are its own pixels with one of four neighbours outside; where the image ends there is no
    boundary. Precision is the share of the predicted boundary within `tolerance_px` of the true one, recall the share
    of the true boundary within it of the predicted one (the completeness and correctness of road extraction).

    Args:
        predicted: bool (H, W).
        truth: bool (H, W).
        tolerance_px: largest distance between centres of pixels that counts as agreement; 0 asks for the same pixels.
        known: bool (H, W); boundaries elsewhere count as neither. None means everywhere.

    Returns:
        0..1; 1 where neither has a boundary, 0 where only one has.
    """
    drawn, meant = _find_boundary(predicted), _find_boundary(truth)
    if known is not None:
        drawn, meant = drawn & known, meant & known
    n_drawn, n_meant = np.count_nonzero(drawn), np.count_nonzero(meant)
    if not (n_drawn and n_meant):
        return 1.0 if n_drawn == n_meant else 0.0
    precision = np.count_nonzero(_distance_to(meant)[drawn] <= tolerance_px) / n_drawn
    recall = np.count_nonzero(_distance_to(drawn)[meant] <= tolerance_px) / n_meant
    return divide(2 * precision * recall, precision + recall, 0.0)


def _find_boundary(mask: Mask) -> Mask:
    found = find_boundaries(mask, connectivity=1, mode="inner")  # type: ignore[no-untyped-call]  # ships no types
    return np.asarray(found, np.bool_)


def _distance_to(boundary: Mask) -> NDArray[np.float32]:
    """Return the exact distance of every pixel to the nearest of a boundary, which is not empty."""
    away = (~boundary).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
