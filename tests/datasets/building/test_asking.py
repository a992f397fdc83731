"""Objects become prompts in pixels of the patch, and the best candidate is taken."""

from __future__ import annotations

import numpy as np
import pytest

from server.datasets.building.asking import ask_all, make_prompts
from server.datasets.building.settings import BuildSettings, Gate, Shares, check_settings, read_prompt, write_prompt
from server.datasets.building.windows import Look
from server.errors import BadParameter
from server.rasters.windows import PixelWindow

TURNED = np.array([[30.0, 10], [40, 20], [30, 30], [20, 20]])


def look_at(*targets, window=(10, 0, 40, 40), shape=(40, 40)):
    return Look(PixelWindow(*window), shape, targets)


def test_prompts_are_in_pixels_of_the_patch(make_target):
    target = make_target(1, TURNED)
    prompts = make_prompts([target], read_prompt("box+point+rotated-mask"), look_at(target, shape=(20, 20)))
    assert prompts.boxes_xyxy.tolist() == [[5, 5, 15, 15]]
    assert prompts.points_xy.tolist() == prompts.places_xy.tolist() == [[10, 10]]
    assert prompts.filled.tolist() == [((TURNED - (10, 0)) / 2).tolist()]
    upright = make_prompts([target], read_prompt("mask"), look_at(target, shape=(20, 20)))
    assert (upright.boxes_xyxy, upright.points_xy) == (None, None)
    assert upright.filled.tolist() == [[[5, 5], [15, 5], [15, 15], [5, 15]]]


def test_the_best_candidate_agrees_with_its_box(make_target, network):
    rgb = np.zeros((40, 40, 3), np.uint8)
    rgb[5:15, 5:15] = 200
    good, dark = make_target(1, (15.0, 5.0, 25.0, 15.0)), make_target(2, (30.0, 30.0, 40.0, 40.0))
    first, second = ask_all(rgb, look_at(good, dark), network, BuildSettings())
    assert (first.record.bbox_xywh, first.record.predicted_iou) == ((5, 5, 10, 10), 0.9)
    assert second.record.bbox_xywh == (0, 0, 40, 40)  # the network has nothing else
    (alone,) = ask_all(rgb, look_at(dark), network, BuildSettings(multimask=False))
    assert alone.record is None


def test_classes_and_points_have_their_own_prompts(make_target, network):
    targets = [
        make_target(1, (15.0, 5.0, 25.0, 15.0)),
        make_target(2, (15.0, 5.0, 25.0, 16.0), "tree"),
        make_target(3, np.array([[20.0, 10.0]])),
    ]
    rgb = np.full((40, 40, 3), 200, np.uint8)
    settings = BuildSettings(class_prompts={"tree": read_prompt("point+box")})
    found = ask_all(rgb, look_at(*targets), network, settings)
    assert [write_prompt(candidate.prompt) for candidate in found] == ["box", "box+point", "point"]
    assert [len(batch) for batch in network.asked] == [1, 1, 1]
    assert found[2].record.predicted_iou == 0.95  # both candidates hold the point


@pytest.mark.parametrize("text", ["", "circle", "box+box", "mask+rotated-mask"])
def test_unknown_prompts_get_a_sentence(text):
    with pytest.raises(BadParameter, match="expected some of box, point, mask, rotated-mask"):
        read_prompt(text)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (BuildSettings(gate=Gate(min_predicted_iou=1.5)), "min_iou"),
        (BuildSettings(gate=Gate(min_area_ratio=2, max_area_ratio=1)), "min_area_ratio"),
        (BuildSettings(shares=Shares(0.7, 0.7)), "validation"),
        (BuildSettings(window_px=8), "window_px"),
    ],
)
def test_numbers_out_of_range_get_a_sentence(settings, field):
    with pytest.raises(BadParameter) as caught:
        check_settings(settings)
    assert caught.value.field == field
