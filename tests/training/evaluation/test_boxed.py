"""Objects with boxes alone: the box of the mask is compared with theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from server.training.evaluation.boxed import compare_boxes, render_boxed_table, score_boxed_images
from tests.segmentation.prompting.bright_areas import BrightAreas


@dataclass(frozen=True)
class Boxed:
    rgb: np.ndarray
    boxes_xyxy: np.ndarray
    name: str = "a"

    def read_rgb(self) -> np.ndarray:
        return self.rgb


@pytest.fixture
def image(make_scene) -> Boxed:
    scene = make_scene((5, 5, 20, 20, 1), (30, 30, 20, 20, 2))
    return Boxed(scene.rgb, np.array([[5, 5, 25, 25], [30, 30, 50, 40], [55, 0, 59, 4]], float))


def score(image: Boxed, **options):
    return score_boxed_images([image], BrightAreas(), 9, lambda: None, **options)


def test_the_box_of_the_mask_is_compared(image):
    scores = score(image, has_baselines=False)
    # The first box fits, the second is half as high as its object, and nothing is at the centre of the third.
    assert scores.first.tolist() == pytest.approx([1.0, 0.5, 0.0])
    assert (scores.best >= scores.first).all()
    assert scores.felzenszwalb.shape == (0, 3)


def test_felzenszwalb_is_asked_at_the_same_place(image):
    scores = score(image, has_baselines=True)
    assert scores.felzenszwalb.shape == (3, 3)
    assert scores.felzenszwalb[0].max() > 0.6  # smoothed edges become segments of their own


def test_the_table_has_a_row_for_every_method(image):
    table = render_boxed_table({"squares": score(image, has_baselines=True)}, "mine").splitlines()
    rows = [line for line in table if line.startswith("| squares")]
    assert [row.split(" | ")[1] for row in rows] == [
        "mine",
        "Felzenszwalb, best scale",
        "Felzenszwalb, oracle of three",
    ]
    assert rows[0].startswith("| squares | mine | 3 | 0.500 / ")
    assert rows[0].endswith(" | 0.667 |")


def test_boxes_are_compared():
    assert compare_boxes((0, 0, 4, 4), (2, 0, 6, 4)) == pytest.approx(8 / 24)
    assert compare_boxes((0, 0, 4, 4), (5, 5, 6, 6)) == 0.0
