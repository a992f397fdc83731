"""COCO's scores, found objects and numbers of clicks on cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from server.segmentation.mask_records import MaskRecord
from server.training.metrics.clicks import count_clicks
from server.training.metrics.found_objects import find_objects
from server.training.metrics.instances import ImageMasks, score_instances


def two_squares() -> np.ndarray:
    objects = np.zeros((40, 40), np.int32)
    objects[2:12, 2:12], objects[20:30, 20:30] = 1, 2
    return objects


def record(top: int, left: int, height: int, width: int) -> MaskRecord:
    return MaskRecord(np.ones((height, width), bool), (left, top, width, height), 0.9, 0.9, (0.0, 0.0))


def test_perfect_masks_have_full_precision_and_recall():
    objects = two_squares()
    scores = score_instances([ImageMasks(objects, [objects == 1, objects == 2], [0.9, 0.8])])
    assert (scores.ap, scores.recall, scores.ap75, scores.recall50) == pytest.approx((1, 1, 1, 1))


def test_a_mask_of_iou_0_6_counts_at_three_of_ten_thresholds():
    objects = (two_squares() == 1).astype(np.int32)
    mask = objects == 1
    mask[2:12, 8:12] = False  # 60 of 100 pixels
    scores = score_instances([ImageMasks(objects, [mask], [0.9])])
    assert (scores.ap50, scores.ap75) == pytest.approx((1.0, 0.0))
    assert scores.recall == pytest.approx(0.3)  # 0.5, 0.55 and 0.6 itself
    assert scores.ap == pytest.approx(0.3)


def test_one_of_two_objects_found_and_one_invented():
    objects = two_squares()
    invented = np.roll(objects == 1, 25, axis=1)
    scores = score_instances([ImageMasks(objects, [objects == 1, invented], [0.9, 0.8])])
    assert scores.recall50 == 0.5
    assert scores.ap50 == pytest.approx(51 / 101)  # precision 1 up to recall 0.5, at 101 recalls


def test_masks_on_unknown_ground_count_as_neither():
    objects = two_squares()
    objects[objects == 2] = -1
    masks = [objects == 1, objects == -1]
    assert score_instances([ImageMasks(objects, masks, [0.8, 0.9])]).ap == pytest.approx(1.0)


def test_scores_without_masks_and_without_objects():
    objects = two_squares()
    assert score_instances([ImageMasks(objects, [], [])]).ap == 0.0
    assert math.isnan(score_instances([ImageMasks(np.zeros_like(objects), [objects == 1], [0.5])]).ap)


def test_an_object_of_one_pixel_can_be_found():
    objects = np.zeros((8, 8), np.int32)
    objects[3, 4] = 1
    assert score_instances([ImageMasks(objects, [objects == 1], [1.0])]).ap == pytest.approx(1.0)
    found = find_objects(objects, [record(3, 4, 1, 1)])
    assert found.best_ious.tolist() == [1.0]
    assert found.n_covered_px == 1


def test_found_objects_are_those_with_a_fitting_mask():
    found = find_objects(two_squares(), [record(2, 2, 10, 6), record(2, 2, 10, 4), record(20, 20, 20, 20)])
    assert found.best_ious.tolist() == pytest.approx([0.6, 0.25])
    assert (found.recall(0.5), found.recall(0.6), found.recall(0.61)) == (0.5, 0.5, 0.0)
    assert (found.n_covered_px, found.n_known_px) == (60 + 400, 1600)


def test_nothing_is_found_without_masks_and_nothing_missed_without_objects():
    assert find_objects(two_squares(), []).best_ious.tolist() == [0.0, 0.0]
    assert math.isnan(find_objects(np.zeros((5, 5), np.int32), [record(0, 0, 2, 2)]).recall(0.5))


def test_unknown_ground_neither_helps_nor_hurts_a_mask():
    objects = two_squares()
    objects[2:12, 12:16] = -1
    found = find_objects(objects, [record(2, 2, 10, 14)])
    assert found.best_ious.tolist() == [1.0, 0.0]
    assert (found.n_covered_px, found.n_known_px) == (100, 1560)


def test_clicks_needed():
    ious = np.array([[0.5, 0.86, 0.8], [0.2, 0.3, 0.4], [0.85, np.nan, np.nan]])
    needed = count_clicks(ious, 0.85)
    assert needed.mean == pytest.approx((2 + 3 + 1) / 3)
    assert needed.share_failed == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="no objects"):
        count_clicks(np.zeros((0, 20)), 0.85)
