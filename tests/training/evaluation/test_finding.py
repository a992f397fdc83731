"""Everything-mode is measured on the busiest windows, and the baselines are what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from server.rasters.windows import PixelWindow
from server.segmentation.networks.embedded import build_embedded_sam
from server.training.evaluation.baselines import SCALES, list_segments, make_untrained, segment_by_colour
from server.training.evaluation.finding import choose_windows, score_finding
from tests.training.evaluation.conftest import EveryBrightArea


def test_the_busiest_windows_come_first_and_empty_ones_not_at_all(make_scene):
    objects = make_scene((5, 70, 9, 9, 1), (70, 5, 9, 9, 2), (70, 30, 9, 9, 3), (100, 100, 2, 2, 4), side=128).objects
    lower_left, upper_right = PixelWindow(0, 64, 64, 64), PixelWindow(64, 0, 64, 64)
    assert choose_windows(objects, 64, 9, min_area_px=10) == [lower_left, upper_right]
    assert choose_windows(objects, 64, 1, min_area_px=10) == [lower_left]


def test_found_and_missed_objects_are_counted(make_scene):
    scene = make_scene((10, 10, 12, 12, 1), (40, 40, 10, 10, 2), (2, 50, 3, 3, 3))
    scene.rgb[40:50, 40:50] = 20  # not bright, so not found
    scores = score_finding(scene, PixelWindow(0, 0, 60, 60), EveryBrightArea(), 50, has_baselines=False)
    assert (scores.areas_px, scores.best_ious) == ([144, 100], [1.0, 0.0])
    assert (scores.n_masks, scores.n_covered_px, scores.n_known_px) == (2, 144, 3600 - 9)
    assert scores.recall == pytest.approx(0.5)
    assert scores.ap == pytest.approx(51 / 101)
    assert scores.felzenszwalb == []


def test_an_object_is_compared_with_its_part_in_the_window(make_scene):
    scene = make_scene((10, 50, 20, 40, 1), side=100)
    scores = score_finding(scene, PixelWindow(0, 0, 64, 64), EveryBrightArea(), 50, has_baselines=False)
    assert (scores.areas_px, scores.best_ious) == ([280], [1.0])


def test_felzenszwalb_finds_squares_by_colour(make_scene):
    scene = make_scene((5, 5, 25, 25, 1), (32, 20, 25, 35, 2))
    scores = score_finding(scene, PixelWindow(0, 0, 60, 60), EveryBrightArea(), 50, has_baselines=True)
    assert len(scores.felzenszwalb) == len(SCALES)
    assert max(min(ious) for ious in scores.felzenszwalb) > 0.65  # smoothed edges become segments of their own
    segments = segment_by_colour(scene.rgb)[0]
    assert sum(record.area_px for record in list_segments(segments)) == segments.size


def test_an_untrained_network_is_the_same_at_every_call_and_not_the_trained_one():
    network = build_embedded_sam(64)
    before = torch.random.get_rng_state()
    first, second = make_untrained(network).state_dict(), make_untrained(network).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    trained = network.state_dict()
    assert any(not torch.equal(first[name], trained[name]) for name in first)


def test_segments_are_listed_one_by_one():
    records = list_segments(np.array([[0, 0, 7], [0, 7, 7]]))
    assert [(record.bbox_xywh, record.area_px) for record in records] == [((0, 0, 2, 2), 3), ((1, 0, 2, 2), 3)]
