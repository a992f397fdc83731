"""Objects side by side share one border."""

from __future__ import annotations

import pytest
import shapely
from hypothesis import given
from shapely import affinity

from server.errors import BadParameter
from server.vectors.editing.snapping import snap
from tests.vectors.editing.shapes import EXAMPLES, is_outline, mask_outlines, tolerances

WALL = shapely.MultiPolygon([shapely.box(20, -5, 40, 30)])


def box(*bounds: float) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([shapely.box(*bounds)])


@pytest.mark.parametrize("right", [18.5, 20, 21.5])
def test_gap_and_overlap_become_a_shared_border(right: float) -> None:
    snapped = snap(box(0, 0, right, 10), [WALL], 2)
    assert snapped.equals(shapely.box(0, 0, 20, 10))


def test_an_overlap_wider_than_the_tolerance_is_cut_off() -> None:
    assert snap(box(0, 0, 27, 10), [WALL], 2).equals(shapely.box(0, 0, 20, 10))


def test_a_slanted_wall_is_pulled_where_it_is_near() -> None:
    slanted = shapely.MultiPolygon([shapely.Polygon([(0, 0), (19, 0), (16, 20), (0, 20)])])
    assert snap(slanted, [WALL], 2).equals(shapely.Polygon([(0, 0), (20, 0), (16, 20), (0, 20)]))


def test_corners_meet_corners() -> None:
    snapped = snap(box(0, 0.3, 19.5, 9.4), [box(20, 0, 30, 10)], 2)
    assert snapped.equals(shapely.Polygon([(0, 0.3), (20, 0), (20, 10), (0, 9.4)]))


def test_an_edge_goes_through_the_corners_of_a_smaller_neighbour() -> None:
    snapped = snap(box(0, 0, 18.5, 40), [box(20, 5, 40, 15)], 2)
    assert snapped.equals(shapely.Polygon([(0, 0), (18.5, 0), (20, 5), (20, 15), (18.5, 40), (0, 40)]))


def test_a_gap_between_stairs_is_filled() -> None:
    stairs = shapely.Polygon([(10, 0), (10, 2), (11, 2), (11, 4), (12, 4), (12, 6), (13, 6), (13, 8), (30, 8), (30, 0)])
    slope = shapely.MultiPolygon([shapely.Polygon([(0, 0), (9.5, 0), (12.5, 8), (0, 8)])])
    snapped = snap(slope, [shapely.MultiPolygon([stairs])], 2)
    both = snapped.union(stairs)
    assert both.geom_type == "Polygon"
    assert not both.interiors
    assert both.symmetric_difference(shapely.box(0, 0, 30, 8)).area < 0.6


def test_a_sliver_behind_a_thin_neighbour_goes() -> None:
    fence = box(18, -5, 19, 15)
    assert snap(box(0, 0, 19.4, 10), [fence], 0.8).equals(shapely.box(0, 0, 18, 10))


def test_what_is_far_stays() -> None:
    assert snap(box(0, 0, 10, 10), [WALL], 2).equals(shapely.box(0, 0, 10, 10))
    assert snap(box(0, 0, 10, 10), [], 2).equals(shapely.box(0, 0, 10, 10))


def test_what_lies_on_top_stays() -> None:
    """A pool in a garden: neither is cut off the other."""
    pool, garden = box(25, 0, 30, 10), WALL
    assert snap(pool, [garden], 2).equals(pool)
    assert snap(garden, [pool], 2).equals(garden)


def test_nothing_left_is_an_error() -> None:
    around = [box(0, -20, 10, 30), box(10, -20, 20, 30), box(5, -20, 15, 0.5), box(5, 9.5, 15, 30)]
    with pytest.raises(BadParameter, match="nothing would be left"):
        snap(box(5.1, 0, 15.1, 10).difference(box(10, 0, 10.2, 10)).buffer(0), around, 1)


def test_snapping_again_changes_nothing() -> None:
    turned = shapely.MultiPolygon([affinity.rotate(shapely.box(0, 0, 18, 18), 10)])
    once = snap(turned, [WALL], 3)
    assert once.touches(WALL)
    assert snap(once, [WALL], 3).symmetric_difference(once).area == pytest.approx(0, abs=1e-9)


@EXAMPLES
@given(mask_outlines, mask_outlines, mask_outlines, tolerances)
def test_no_overlap_is_left(
    outline: shapely.MultiPolygon, first: shapely.MultiPolygon, second: shapely.MultiPolygon, tolerance_px: float
) -> None:
    neighbours = [affinity.translate(first, 13.3, 0.7), affinity.translate(second, -0.4, 12.2)]
    try:
        snapped = snap(outline, neighbours, tolerance_px)
    except BadParameter:
        return
    assert is_outline(snapped)
    for neighbour in neighbours:
        on_top = (outline & neighbour).area > 0.5 * min(outline.area, neighbour.area)
        assert on_top or (snapped & neighbour).area < 1e-6
