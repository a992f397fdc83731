"""Pixel scores agree with scikit-learn, and with the stated convention where nothing is there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from server.training.metrics.pixels import (
    PixelCounts,
    PixelScores,
    count_pixels,
    measure_iou,
    score_counts,
    score_macro,
    score_micro,
)

EMPTY, FULL = np.zeros((4, 5), bool), np.ones((4, 5), bool)
MASKS = arrays(bool, (6, 7), elements=st.booleans())


@given(predicted=MASKS, truth=MASKS)
@settings(max_examples=50)
def test_the_scores_are_those_of_scikit_learn(predicted, truth):
    scores = score_counts(count_pixels(predicted, truth))
    flat = truth.ravel(), predicted.ravel()
    otherwise = 1.0 if not (predicted.any() or truth.any()) else 0.0
    for own, theirs in (
        (scores.iou, jaccard_score),
        (scores.dice, f1_score),
        (scores.precision, precision_score),
        (scores.recall, recall_score),
    ):
        assert own == pytest.approx(theirs(*flat, zero_division=otherwise))


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [(EMPTY, EMPTY, 1.0), (FULL, EMPTY, 0.0), (EMPTY, FULL, 0.0), (FULL, FULL, 1.0)],
)
def test_empty_masks_follow_the_convention(predicted, truth, expected):
    assert score_counts(count_pixels(predicted, truth)) == PixelScores(*[expected] * 4)


def test_one_pixel_is_found_or_not():
    truth = EMPTY.copy()
    truth[1, 2] = True
    beside = np.roll(truth, 1, axis=1)
    assert measure_iou(truth, truth) == 1.0
    assert measure_iou(beside, truth) == 0.0
    assert measure_iou(truth | beside, truth) == 0.5


def test_unknown_pixels_count_as_neither():
    truth, predicted, known = EMPTY.copy(), FULL.copy(), EMPTY.copy()
    truth[0], known[0] = True, True
    assert count_pixels(predicted, truth, known) == PixelCounts(5, 0, 0)


def test_micro_weighs_pixels_and_macro_weighs_images():
    large, small = PixelCounts(90, 10, 0), PixelCounts(1, 0, 9)
    assert score_micro([large, small]).iou == pytest.approx(91 / 110)
    assert score_macro([large, small]).iou == pytest.approx((0.9 + 0.1) / 2)
    assert score_micro([large, small]).precision == pytest.approx(91 / 101)
    assert score_macro([large, small]).recall == pytest.approx((1.0 + 0.1) / 2)


def test_a_macro_mean_needs_images():
    with pytest.raises(ValueError, match="at least one"):
        score_macro([])
