"""Pixel scores of one class: IoU, Dice (which is F1), precision and recall, over a dataset or as a mean of images.

Where truth and prediction are both empty every score is 1: there was nothing to find and nothing was claimed. Where
only one of them is empty every score is 0, also the one whose quotient would be 0 / 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PixelCounts:
    """Pixels by what was claimed and what is true.

    Attributes:
        true_positive: claimed and true.
        false_positive: claimed and not true.
        false_negative: true and not claimed.
    """

    true_positive: int
    false_positive: int
    false_negative: int

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
        )


@dataclass(frozen=True)
class PixelScores:
    """Scores 0..1. F1 is not listed beside Dice, because of one binary mask they are the same number."""

    iou: float
    dice: float
    precision: float
    recall: float


def count_pixels(predicted: Mask, truth: Mask, known: Mask | None = None) -> PixelCounts:
    """Count the pixels of one image, bool (H, W) each; pixels that are not `known` count as neither."""
    if known is not None:
        predicted, truth = predicted & known, truth & known
    both = int(np.count_nonzero(predicted & truth))
    return PixelCounts(both, int(np.count_nonzero(predicted)) - both, int(np.count_nonzero(truth)) - both)


def score_counts(counts: PixelCounts) -> PixelScores:
    """Return the scores of counted pixels."""
    hit, false, missed = counts.true_positive, counts.false_positive, counts.false_negative
    nothing = 1.0 if hit + false + missed == 0 else 0.0
    return PixelScores(
        iou=divide(hit, hit + false + missed, nothing),
        dice=divide(2 * hit, 2 * hit + false + missed, nothing),
        precision=divide(hit, hit + false, nothing),
        recall=divide(hit, hit + missed, nothing),
    )


def score_micro(images: Sequence[PixelCounts]) -> PixelScores:
    """Return the scores of all pixels together, so that large images and frequent classes weigh more."""
    return score_counts(sum(images, PixelCounts(0, 0, 0)))


def score_macro(images: Sequence[PixelCounts]) -> PixelScores:
    """Return the mean of every image's scores, so that each image weighs the same.

    Raises:
        ValueError: there are no images, so there is no mean.
    """
    if not images:
        raise ValueError("a mean of images needs at least one")
    scores = [score_counts(counts) for counts in images]
    rows = np.array([(score.iou, score.dice, score.precision, score.recall) for score in scores])
    return PixelScores(*rows.mean(axis=0).tolist())


def measure_iou(predicted: Mask, truth: Mask, known: Mask | None = None) -> float:
    """Return intersection over union of one image, bool (H, W) each, where `known`."""
    return score_counts(count_pixels(predicted, truth, known)).iou


def divide(part: float, whole: float, otherwise: float) -> float:
    """Return the quotient, or `otherwise` where the divisor is 0."""
    return part / whole if whole else otherwise
