"""Counts are those of objects that are known to the pixel."""

from __future__ import annotations

import numpy as np
import pytest

from server.datasets.report.comparison import N_IMAGES, PARTS, compare_with_samrs
from server.datasets.report.examples import N_EXAMPLES, SIDE_PX, Example, ExampleBox
from server.datasets.report.objects import CountedImage
from server.datasets.report.statistics import measure_dataset
from tests.datasets.report.conftest import make_object, read_grey


@pytest.fixture
def statistics(known):
    return measure_dataset(known, {}, lambda: None)


def test_objects_are_counted_by_class_and_image(statistics):
    sizes = {name: counts.sizes_px for name, counts in statistics.by_class.items()}
    assert sizes == {"car": [1024, 100], "bus": [128], "ship": []}
    assert statistics.objects_per_image == [2, 1, 0]
    assert (statistics.n_objects, statistics.image_px) == (3, 128 * 128 + 128 * 64 + 64 * 64)
    assert statistics.box_ious.tolist() == [0.8, 1.0, 0.6]
    assert len(statistics.truth_ious) == 0


def test_the_heat_map_tells_shares_of_images(statistics):
    assert statistics.heat.shape == (32, 32)
    assert statistics.heat[:8, :8] == pytest.approx(1 / 3)
    assert statistics.heat[16:18, 16:20] == pytest.approx(1 / 3)
    # An object of 10 x 10 pixels in an image of 128 x 64 covers 12.5 of 1024 cells.
    assert statistics.heat.sum() == pytest.approx((64 + 8 + 12.5) / 3)


def test_truth_is_the_object_below_most_of_the_mask(known):
    truth = np.zeros((128, 128), np.int32)
    truth[0:32, 0:16] = 5
    truth[0:32, 16:20] = 6
    truth[64:72, 64:80] = -1
    statistics = measure_dataset(known, {"a": lambda: truth}, lambda: None)
    assert statistics.by_class["car"].truth_ious == [0.5]
    assert statistics.by_class["bus"].truth_ious == [0.0]


def test_examples_do_not_depend_on_the_order():
    image = CountedImage("a", (200, 200), (), read_grey)
    examples = [Example(image, make_object("car", (number, 3, 5 + number, 9)), str(number)) for number in range(40)]
    boxes = ExampleBox(), ExampleBox()
    for one, other in zip(examples, reversed(examples), strict=True):
        boxes[0].offer(one)
        boxes[1].offer(other)
    pictures = boxes[0].pictures
    assert len(pictures) == N_EXAMPLES
    assert all(picture.shape == (SIDE_PX, SIDE_PX, 3) for picture in pictures)
    assert all((one == other).all() for one, other in zip(pictures, boxes[1].pictures, strict=True))


@pytest.mark.parametrize("has_ground", [True, False])
def test_objects_at_the_border_are_drawn(has_ground):
    image = CountedImage("a", (50, 40), (), read_grey if has_ground else None)
    picture = Example(image, make_object("car", (40, 30, 10, 10)), "a 1").draw()
    assert (picture == (255, 64, 64)).all(axis=2).any()
    assert picture[SIDE_PX // 2, SIDE_PX // 2].tolist() == ([90] * 3 if has_ground else [225] * 3)


def test_samrs_adds_up_and_is_set_beside(statistics):
    assert sum(part.n_images for part in PARTS) == N_IMAGES
    published, counts, sizes = compare_with_samrs(statistics)
    assert "1,668,241 instances" in published
    assert "3 images, 3 instances and 3 classes" in counts
    assert "1.0 instances in an image" in counts
    assert "15.9 in SAMRS" in counts
    assert "100.0% are not larger" in sizes
