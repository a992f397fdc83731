"""Rounded borders that stay where they were."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given

from server.errors import BadParameter
from server.vectors.editing.rings import cut_corners
from server.vectors.editing.smoothing import round_corners, smooth
from tests.vectors.editing.shapes import (
    EXAMPLES,
    draw,
    is_outline,
    make_shape,
    mask_outlines,
    measure_angles,
    measure_distance,
    measure_iou,
    place,
    tolerances,
)

SQUARE = np.array([[0.0, 0], [20, 0], [20, 20], [0, 20]])


def test_cutting_turns_stairs_into_a_slope() -> None:
    stairs = np.array([[0.0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [3, 2], [3, 3], [0, 3]])
    cut = cut_corners(stairs, 0.5)
    assert {(0.5, 0.0), (1, 0.5), (1.5, 1), (2, 1.5), (2.5, 2)} <= {tuple(point) for point in cut.tolist()}
    assert not {(1.0, 0.0), (1.0, 1.0), (2.0, 1.0)} & {tuple(point) for point in cut.tolist()}


def test_rounding_passes_a_corner_at_the_reach() -> None:
    rounded = shapely.Polygon(round_corners(SQUARE, 1.0))
    assert rounded.is_valid
    assert rounded.boundary.distance(shapely.Point(0, 0)) == pytest.approx(1.0, abs=0.05)
    assert measure_angles(rounded.exterior).min() > 140


def test_a_disc_on_pixels_becomes_round() -> None:
    disc = place(make_shape("circle", 40), 0)
    smoothed = smooth(draw(disc), 2.0)
    assert measure_iou(smoothed, disc) > measure_iou(draw(disc), disc)
    assert measure_angles(smoothed.geoms[0].exterior).min() > 150


def test_stairs_of_a_slanted_field_go() -> None:
    field = draw(place(make_shape("rectangle", 80), 12))
    smoothed = smooth(field, 2.0)
    assert shapely.get_num_coordinates(smoothed) < shapely.get_num_coordinates(field)
    assert smoothed.length < 0.9 * field.length
    assert smoothed.area == pytest.approx(field.area, rel=0.03)


def test_a_tolerance_out_of_range_is_refused() -> None:
    with pytest.raises(BadParameter, match="tolerance is 0 px"):
        smooth(shapely.MultiPolygon([shapely.box(0, 0, 9, 9)]), 0)


@EXAMPLES
@given(mask_outlines, tolerances)
def test_the_border_stays_near(outline: shapely.MultiPolygon, tolerance_px: float) -> None:
    smoothed = smooth(outline, tolerance_px)
    assert is_outline(smoothed)
    assert len(smoothed.geoms) == len(outline.geoms)
    assert measure_distance(outline, smoothed) <= tolerance_px + 1e-9
