"""Masks come back into the image, pass the gate or are rejected for a reason, and are painted by a rule."""

from __future__ import annotations

import dataclasses
from itertools import permutations

import numpy as np
import pytest
from pycocotools import mask as run_lengths

from server.datasets.building.annotations import describe_instance
from server.datasets.building.asking import Candidate
from server.datasets.building.instances import Instance, Rejection, judge, make_instance
from server.datasets.building.painting import paint
from server.datasets.building.run_lengths import encode_mask
from server.datasets.building.settings import BOX, BuildSettings, Gate, read_prompt
from server.datasets.building.windows import Look
from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskRecord

WINDOW = PixelWindow(10, 0, 40, 40)
VALID = np.ones((40, 40), bool)


def candidate(target, bbox=(5, 5, 10, 10), shape=(40, 40), mask=None):
    drawn = np.ones((bbox[3], bbox[2]), bool) if mask is None else mask
    return Candidate(target, Look(WINDOW, shape, (target,)), BOX, MaskRecord(drawn, bbox, 0.9, 0.99, (10.0, 10.0)))


def test_masks_come_back_into_the_image(make_target):
    target = make_target(1, (15.0, 5.0, 25.0, 15.0))
    instance = make_instance(candidate(target), BuildSettings(), VALID)
    assert (instance.window, instance.area_px, instance.box_iou, instance.rejection) == ((15, 5, 10, 10), 100, 1, None)
    coarse = make_instance(candidate(target, (2, 2, 5, 5), (20, 20)), BuildSettings(), VALID)
    assert (coarse.window, coarse.area_px) == ((14, 4, 10, 10), 100)


def test_pixels_without_data_are_no_part_of_a_mask(make_target):
    valid = VALID.copy()
    valid[:, :10] = False
    instance = make_instance(candidate(make_target(1, (15.0, 5.0, 25.0, 15.0))), BuildSettings(), valid)
    assert instance.window == (20, 5, 5, 10)


def test_masks_can_be_cut_to_their_rotated_box(make_target):
    turned = make_target(1, np.array([[20.0, 5], [25, 10], [20, 15], [15, 10]]))
    whole = make_instance(candidate(turned), BuildSettings(), VALID)
    cut = make_instance(candidate(turned), BuildSettings(constrain=True), VALID)
    assert (whole.area_px, cut.area_px) == (100, 50)


def test_no_mask_is_a_reason(make_target):
    target = make_target(1, (15.0, 5.0, 25.0, 15.0))
    nothing = Candidate(target, Look(WINDOW, (40, 40), (target,)), BOX, None)
    assert make_instance(nothing, BuildSettings(), VALID).rejection is Rejection.NOTHING
    assert make_instance(candidate(target), BuildSettings(), ~VALID).rejection is Rejection.NOTHING


@pytest.mark.parametrize(
    ("ratings", "mask", "corner", "reason"),
    [
        ((0.9, 0.9), np.ones((10, 10), bool), (0, 0), None),
        ((0.4, 0.9), np.ones((10, 10), bool), (0, 0), Rejection.IOU),
        ((0.9, 0.4), np.ones((10, 10), bool), (0, 0), Rejection.STABILITY),
        ((0.9, np.nan), np.ones((10, 10), bool), (0, 0), Rejection.STABILITY),
        ((0.9, 0.9), np.ones((10, 10), bool), (6, 0), Rejection.BOX),
        ((0.9, 0.9), np.eye(10, dtype=bool) & (np.arange(10) % 9 == 0), (0, 0), Rejection.SMALL),
        ((0.9, 0.9), np.ones((13, 13), bool), (0, 0), Rejection.LARGE),
    ],
)
def test_every_reason_to_reject(ratings, mask, corner, reason, make_target):
    target = make_target(1, (0.0, 0.0, 10.0, 10.0))
    placed = mask, PixelWindow(*corner, mask.shape[1], mask.shape[0])
    assert judge(candidate(target), rate(*ratings), placed, Gate()) is reason


def rate(predicted_iou: float, stability: float) -> MaskRecord:
    return MaskRecord(np.ones((1, 1), bool), (0, 0, 1, 1), predicted_iou, stability, (0.0, 0.0))


def test_points_are_not_asked_for_boxes(make_target):
    point = make_target(1, np.array([[5.0, 5.0]]))
    placed = np.ones((40, 40), bool), PixelWindow(0, 0, 40, 40)
    assert judge(candidate(point), rate(0.9, 0.9), placed, Gate()) is None


def test_less_is_asked_of_masks_without_a_box_unless_somebody_says_so(make_target):
    shown = candidate(make_target(1, (0.0, 0.0, 10.0, 10.0)))
    placed = np.ones((10, 10), bool), PixelWindow(0, 0, 10, 10)
    found = {
        prompt: [
            judge(dataclasses.replace(shown, prompt=read_prompt(prompt)), rate(*ratings), placed, gate)
            for ratings, gate in (((0.8, 0.95), Gate()), ((0.95, 0.8), Gate()), ((0.8, 0.95), Gate(0.85, 0.75)))
        ]
        for prompt in ("box", "box+point", "point", "mask")
    }
    assert found["box"] == found["box+point"] == [Rejection.IOU, Rejection.STABILITY, Rejection.IOU]
    assert found["point"] == found["mask"] == [None, None, Rejection.IOU]


def instance(target, window, score=0.9):
    window = PixelWindow(*window)
    return Instance(target, BOX, np.ones((window.height, window.width), bool), window, score, 0.9, None)


def test_overlaps_do_not_depend_on_the_order(make_target):
    box = (0.0, 0.0, 9.0, 9.0)
    large = instance(make_target(1, box), (0, 0, 8, 4))
    small = instance(make_target(2, box, "bus"), (2, 0, 2, 2), 0.5)
    better = instance(make_target(3, box), (6, 0, 4, 2), 0.95)
    worse = instance(make_target(4, box), (8, 0, 4, 2), 0.9)
    equal = instance(make_target(5, box), (10, 0, 4, 2), 0.9)
    maps = [paint(order, (14, 4), {"car": 0, "bus": 1}) for order in permutations([large, small, better, worse, equal])]
    classes, objects = maps[0]
    assert objects[0].tolist() == [1, 1, 2, 2, 1, 1, 3, 3, 3, 3, 4, 4, 5, 5]
    assert classes[0].tolist() == [0, 0, 1, 1, *[0] * 10]
    assert classes[3].tolist() == [*[0] * 8, *[255] * 6]
    assert all((other[0] == classes).all() and (other[1] == objects).all() for other in maps)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_run_lengths_are_the_pixels():
    mask = np.random.default_rng(0).random((7, 5)) > 0.5
    encoded = encode_mask(mask, PixelWindow(3, 2, 5, 7), (20, 10))
    whole = run_lengths.decode(encoded).astype(bool)
    assert whole.shape == (10, 20)
    assert (whole[2:9, 3:8] == mask).all()
    assert whole.sum() == mask.sum()


def test_annotations_tell_the_reason(make_target):
    target = make_target(1, (15.0, 5.0, 25.0, 15.0))
    kept = describe_instance(make_instance(candidate(target), BuildSettings(), VALID), (60, 40))
    assert kept["bbox"] == [15, 5, 10, 10]
    assert (kept["area"], kept["score"], kept["box_iou"], kept["iscrowd"]) == (100, 0.9, 1, 0)
    assert "rejected" not in kept
    strict = BuildSettings(gate=Gate(min_predicted_iou=0.95))
    lost = describe_instance(make_instance(candidate(target), strict, VALID), (60, 40))
    assert lost["rejected"] == "low_predicted_iou"
    nothing = describe_instance(make_instance(candidate(target), BuildSettings(), ~VALID), (60, 40))
    assert (nothing["rejected"], nothing["area"]) == ("no_mask", 0)
