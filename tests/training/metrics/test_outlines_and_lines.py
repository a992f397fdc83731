"""Boundary F1 and clDice on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from server.training.metrics.boundaries import measure_boundary_f1
from server.training.metrics.centre_lines import measure_cl_dice


def square(top: int, left: int, side: int, shape: tuple[int, int] = (40, 40)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


EMPTY = np.zeros((40, 40), bool)


@pytest.mark.parametrize("measure", [lambda a, b: measure_boundary_f1(a, b, 1), measure_cl_dice])
def test_empty_masks_follow_the_convention(measure):
    assert measure(EMPTY, EMPTY) == 1.0
    assert measure(EMPTY, square(5, 5, 9)) == 0.0
    assert measure(square(5, 5, 9), EMPTY) == 0.0
    assert measure(square(5, 5, 9), square(5, 5, 9)) == 1.0


def test_a_shift_within_the_tolerance_is_forgiven_and_beyond_it_is_not():
    truth, shifted = square(10, 10, 10), square(10, 12, 10)
    assert measure_boundary_f1(shifted, truth, 2) == 1.0
    # Without tolerance the upper and lower sides share 8 pixels each; of 36 boundary pixels that is 16.
    assert measure_boundary_f1(shifted, truth, 0) == pytest.approx(16 / 36)


def test_one_pixel_is_its_own_boundary():
    truth = square(20, 20, 1)
    assert measure_boundary_f1(truth, truth, 0) == 1.0
    assert measure_boundary_f1(square(20, 23, 1), truth, 2) == 0.0
    assert measure_boundary_f1(square(20, 23, 1), truth, 3) == 1.0
    assert measure_cl_dice(truth, truth) == 1.0


def test_where_the_image_ends_there_is_no_boundary():
    left_half, thinner = EMPTY.copy(), EMPTY.copy()
    left_half[:, :20], thinner[:, :10] = True, True
    assert measure_boundary_f1(thinner, left_half, 5) == 0.0
    assert measure_boundary_f1(thinner, left_half, 10) == 1.0
    assert measure_boundary_f1(np.ones((40, 40), bool), ~EMPTY, 0) == 1.0


def test_boundaries_on_unknown_ground_count_as_neither():
    truth, predicted, known = square(5, 5, 10), square(5, 5, 10) | square(25, 25, 10), ~EMPTY
    assert measure_boundary_f1(predicted, truth, 1) == pytest.approx(2 * 0.5 / 1.5)
    known[20:] = False
    assert measure_boundary_f1(predicted, truth, 1, known) == 1.0


def test_cl_dice_sees_a_gap_that_dice_hardly_sees():
    road = EMPTY.copy()
    road[20, :] = True
    broken = road.copy()
    broken[20, 10:20] = False
    # Skeletons of lines one pixel wide are the lines: all of the broken one lies on the road, 30 of 40 are covered.
    assert measure_cl_dice(broken, road) == pytest.approx(2 * 1 * 0.75 / 1.75)


def test_cl_dice_forgives_width():
    road, wide = EMPTY.copy(), EMPTY.copy()
    road[19:22, :] = True
    wide[17:24, :] = True
    assert measure_cl_dice(wide, road) > 0.95


def test_a_line_through_unknown_ground_is_not_missed():
    road, known = EMPTY.copy(), ~EMPTY
    road[20, :] = True
    broken = road.copy()
    broken[20, 10:20], known[:, 10:20] = False, False
    assert measure_cl_dice(broken, road, known) == 1.0
