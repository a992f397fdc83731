"""Which outlines are the same object."""

from __future__ import annotations

import pytest
import shapely

from server.errors import Cancelled
from server.segmentation.many_prompts.distinct import choose_distinct


def square(left: float, top: float = 0, side: float = 10) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([shapely.box(left, top, left + side, top + side)])


def choose(outlines, ratings) -> list[int]:
    return choose_distinct(outlines, ratings, lambda _share: None)


def test_the_better_rated_of_two_stays():
    assert choose([square(0), square(0.5), square(50)], [0.7, 0.9, 0.1]) == [1, 2]


def test_the_first_of_equals_stays():
    assert choose([square(0), square(0), square(0)], [0.5, 0.5, 0.5]) == [0]


@pytest.mark.parametrize(("shift", "stays"), [(1.0, [0]), (1.2, [0, 1])])
def test_the_limit_is_an_iou_of_four_fifths(shift, stays):
    # Shifted by s, squares of 10 have the IoU (10 - s) / (10 + s): 0.818 and 0.786.
    assert choose([square(0), square(shift)], [1.0, 0.9]) == stays


def test_parts_and_neighbours_stay():
    whole = square(0, 0, 30)
    assert choose([whole, square(0), square(10), square(20)], [0.9, 0.8, 0.8, 0.8]) == [0, 1, 2, 3]


def test_a_duplicate_of_a_duplicate_is_compared_with_what_stays():
    # Each agrees with the next, the first and the last do not.
    assert choose([square(0), square(1), square(2)], [0.7, 0.6, 0.5]) == [0, 2]


def test_nothing_is_nothing():
    assert choose([], []) == []


def test_it_can_be_stopped():
    def stop(_share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        choose_distinct([square(0)], [1.0], stop)
