"""Simulated people click where a person would, and the scores are those of what they get."""

from __future__ import annotations

import numpy as np
import pytest

from server.rasters.windows import PixelWindow
from server.training.evaluation.clicking import score_prompts
from server.training.evaluation.looking import SceneViewer
from server.training.evaluation.meant_objects import choose_meant_objects, find_meant_object
from tests.segmentation.prompting.bright_areas import BrightAreas


def ask(scene, *clicks, **options):
    return SceneViewer(scene.rgb, BrightAreas()).ask(list(clicks), multimask=True, **options)


def test_the_first_click_is_deepest_inside():
    objects = np.zeros((40, 40), np.int32)
    objects[5:25, 5:10], objects[20:25, 5:30] = 3, 3  # an L, whose box's centre is outside
    x, y, label = find_meant_object(objects, 3).first_click()
    assert objects[int(y), int(x)] == 3
    assert label == 1


def test_a_mask_comes_back_in_pixels_of_the_scene(make_scene):
    scene = make_scene((30, 40, 8, 6, 1))
    mask = ask(scene, (43.0, 34.0, 1))[0]
    assert (mask.on(PixelWindow(0, 0, 60, 60)) == (scene.objects == 1)).all()
    assert mask.on(PixelWindow(42, 32, 2, 3)).all()
    assert not mask.on(PixelWindow(0, 0, 10, 10)).any()


def test_a_scene_larger_than_the_network_is_seen_around_the_click(make_scene):
    scene = make_scene((150, 170, 12, 10, 1), (20, 20, 30, 30, 2), side=200)
    meant = find_meant_object(scene.objects, 1)
    assert meant.compare(ask(scene, meant.first_click())[0]) == 1.0


def test_an_object_that_is_cut_is_looked_at_again_from_further_away(make_scene):
    scene = make_scene((40, 40, 100, 100, 1), side=200)
    meant = find_meant_object(scene.objects, 1)
    assert meant.compare(ask(scene, meant.first_click())[0]) > 0.9


def test_one_click_suffices_for_an_object_that_is_outlined(make_scene):
    scene = make_scene((10, 10, 12, 12, 1), (40, 40, 10, 10, 2))
    scores = score_prompts(SceneViewer(scene.rgb, BrightAreas()), find_meant_object(scene.objects, 1), max_clicks=20)
    assert (scores.first, scores.best, scores.box) == ([1.0], [1.0, 1.0, 1.0], 1.0)


def test_the_second_click_goes_to_the_larger_missing_part(make_scene):
    # As large as the stand-in's input, because it resamples earlier masks roughly.
    scene = make_scene((10, 10, 12, 12, 1), (40, 40, 10, 10, 1), side=64)
    meant = find_meant_object(scene.objects, 1)
    drawn = ask(scene, meant.first_click())[0]
    x, y, label = meant.next_click(drawn)
    assert (40 <= x < 50, 40 <= y < 50, label) == (True, True, 1)
    scores = score_prompts(SceneViewer(scene.rgb, BrightAreas()), meant, max_clicks=20)
    assert scores.first == pytest.approx([144 / 244, 1.0])
    # The object has two pieces; one click takes one of them, whatever the network offers.
    assert scores.best == pytest.approx([144 / 244, 1.0, 1.0])


def test_too_large_a_mask_gets_a_click_outside(make_scene):
    scene = make_scene((10, 10, 12, 12, 1), (40, 40, 10, 10, 2))
    meant = find_meant_object(scene.objects, 1)
    everything = ask(scene, meant.first_click(), (45.0, 45.0, 1))[0]
    x, y, label = meant.next_click(everything)
    assert (40 <= x < 50, 40 <= y < 50, label) == (True, True, 0)


def test_clicks_end_where_they_are_used_up(make_scene):
    scene = make_scene((10, 10, 12, 12, 1))
    scene.rgb[10:22, 10:16] = 20  # half of the object is dark and is never found
    meant = find_meant_object(scene.objects, 1)
    scores = score_prompts(SceneViewer(scene.rgb, BrightAreas()), meant, max_clicks=7)
    assert len(scores.first) == 7
    assert max(scores.first) == 0.5


def test_nothing_found_is_an_iou_of_zero(make_scene):
    scene = make_scene((10, 10, 12, 12, 1))
    dark = SceneViewer(np.full_like(scene.rgb, 20), BrightAreas())
    scores = score_prompts(dark, find_meant_object(scene.objects, 1), max_clicks=1)
    assert (scores.first, scores.best, scores.box) == ([0.0], [0.0, 0.0, 0.0], 0.0)


def test_unknown_ground_is_neither_right_nor_wrong(make_scene):
    scene = make_scene((10, 10, 12, 12, 1), (10, 22, 12, 12, -1))
    scene.rgb[10:22, 22:34] = 220
    meant = find_meant_object(scene.objects, 1)
    drawn = ask(scene, meant.first_click())[0]
    assert drawn.mask.sum() == 2 * 144
    assert meant.compare(drawn) == 1.0
    assert meant.next_click(drawn) is None


def test_simple_answers_are_compared_too(make_scene):
    scene = make_scene((10, 10, 12, 12, 1))
    scene.objects[10:16, 10:16] = 0  # three quarters of the box
    meant = find_meant_object(scene.objects, 1)
    assert meant.area_px == 108
    assert meant.compare_filled_box() == 0.75
    assert meant.compare_segment(np.zeros((60, 60), np.int64), 12, 12) == pytest.approx(108 / 3600)
    assert meant.compare_segment((scene.objects == 1).astype(np.int64), 20, 20) == 1.0


def test_objects_are_chosen_alike_at_every_call():
    objects = np.repeat(np.arange(1, 41, dtype=np.int32), 20).reshape(40, 20)
    objects[0, 1:] = 0
    chosen = [item.object_id for item in choose_meant_objects(objects, 5, min_area_px=2)]
    assert len(set(chosen)) == 5
    assert 1 not in chosen
    assert chosen == [item.object_id for item in choose_meant_objects(objects, 5, min_area_px=2)]
    assert len(choose_meant_objects(objects, 99, min_area_px=1)) == 40
    assert choose_meant_objects(np.zeros((4, 4), np.int32), 5, min_area_px=1) == []
