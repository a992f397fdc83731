"""Fewer corners, the same shape."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given

from server.errors import BadParameter
from server.vectors.editing.simplifying import simplify
from tests.vectors.editing.shapes import EXAMPLES, is_outline, mask_outlines, measure_distance, tolerances


def test_a_bump_below_the_tolerance_goes() -> None:
    bumpy = shapely.MultiPolygon([shapely.Polygon([(0, 0), (5, 0.4), (10, 0), (10, 10), (0, 10)])])
    assert simplify(bumpy, 0.5).equals(shapely.box(0, 0, 10, 10))
    assert simplify(bumpy, 0.3).equals(bumpy)


@pytest.mark.parametrize("tolerance_px", [0, -1, np.nan, np.inf, 1001])
def test_a_tolerance_out_of_range_is_refused(tolerance_px: float) -> None:
    with pytest.raises(BadParameter, match="expected more than 0 and at most 1000 px") as caught:
        simplify(shapely.MultiPolygon([shapely.box(0, 0, 1, 1)]), tolerance_px)
    assert caught.value.field == "tolerance_px"


@EXAMPLES
@given(mask_outlines, tolerances)
def test_nothing_vanishes_and_the_border_stays_near(outline: shapely.MultiPolygon, tolerance_px: float) -> None:
    simple = simplify(outline, tolerance_px)
    assert is_outline(simple)
    assert len(simple.geoms) == len(outline.geoms)
    holes = [sum(len(part.interiors) for part in shape.geoms) for shape in (outline, simple)]
    assert holes[0] == holes[1]
    assert measure_distance(outline, simple) <= tolerance_px + 1e-9
    corners = {tuple(point) for point in shapely.get_coordinates(outline).tolist()}
    assert {tuple(point) for point in shapely.get_coordinates(simple).tolist()} <= corners
