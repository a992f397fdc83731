"""What a person sends as an outline: taken, repaired or refused."""

from __future__ import annotations

import time

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadParameter
from server.vectors.editing import checking
from server.vectors.editing.checking import check_outline
from tests.vectors.editing.shapes import EXAMPLES, is_outline, mask_outlines

points = st.tuples(st.integers(-5, 5), st.integers(-5, 5))


def test_a_polygon_becomes_a_multi_polygon() -> None:
    checked = check_outline(shapely.box(1, 2, 4, 6))
    assert is_outline(checked)
    assert checked.equals(shapely.box(1, 2, 4, 6))


def test_a_third_coordinate_is_dropped() -> None:
    checked = check_outline(shapely.Polygon([(0, 0, 7), (4, 0, 7), (0, 4, 7)]))
    assert not checked.has_z
    assert checked.area == 8


def test_a_crossing_ring_becomes_its_lobes() -> None:
    checked = check_outline(shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]))
    assert is_outline(checked)
    assert (len(checked.geoms), checked.area) == (2, 50)


def test_overlapping_parts_become_one() -> None:
    checked = check_outline(shapely.MultiPolygon([shapely.box(0, 0, 4, 4), shapely.box(2, 0, 6, 4)]))
    assert is_outline(checked)
    assert (len(checked.geoms), checked.area) == (1, 24)


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (shapely.Point(1, 2), "not a Point"),
        (shapely.LineString([(0, 0), (1, 1)]), "not a LineString"),
        (shapely.GeometryCollection([shapely.box(0, 0, 1, 1)]), "not a GeometryCollection"),
        (shapely.Polygon(), "no area"),
        (shapely.Polygon([(0, 0), (5, 5), (9, 9)]), "no area"),
        (shapely.box(0, 0, 1e-5, 1e-5), "no area"),
        (shapely.Polygon([(0, 0), (np.inf, 0), (0, 4)]), "not numbers"),
        (shapely.box(0, 0, 1e9, 5), "far outside"),
    ],
)
def test_what_is_no_outline_is_refused(geometry: shapely.Geometry, words: str) -> None:
    with pytest.raises(BadParameter, match=words) as caught:
        check_outline(geometry)
    assert caught.value.field == "geometry"


def test_a_line_there_and_back_is_dropped() -> None:
    checked = check_outline(shapely.Polygon([(-1, 0), (0, 0), (-1, 0), (-1, -1), (0, 0)]))
    assert checked.equals(shapely.Polygon([(-1, 0), (-1, -1), (0, 0)]))


def test_a_hole_across_the_border_is_cut_out() -> None:
    checked = check_outline(shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(7, 3), (12, 3), (12, 6), (7, 6)]]))
    assert checked.equals(shapely.box(0, 0, 9, 9) - shapely.box(7, 3, 9, 6))


def test_too_many_vertices_are_refused() -> None:
    turns = np.linspace(0, 2 * np.pi, checking.MAX_VERTICES + 1)[1:]
    circle = shapely.Polygon(np.stack([np.cos(turns), np.sin(turns)], axis=1) * 1000)
    with pytest.raises(BadParameter, match=r"100,001 vertices; at most 100,000"):
        check_outline(circle)


def test_a_scribble_is_refused_before_it_is_repaired() -> None:
    """Repairing it would take minutes and gigabytes: about two hundred million crossings."""
    scribble = shapely.Polygon(np.random.default_rng(5).random((30_000, 2)) * 1000)
    start = time.monotonic()
    with pytest.raises(BadParameter, match="crosses itself more than 10,000 times"):
        check_outline(scribble)
    assert time.monotonic() - start < 30


def test_a_scribble_along_one_line_is_refused_as_well() -> None:
    x = np.random.default_rng(5).random(2000) * 1000
    with pytest.raises(BadParameter, match="crosses itself"):
        check_outline(shapely.Polygon(np.append(np.stack([x, np.zeros(2000)], axis=1), [[0.0, 5.0]], axis=0)))


def test_a_long_outline_that_crosses_itself_once_is_repaired() -> None:
    """Neighbouring edges meet; that is no crossing, however many they are."""
    x = np.arange(20_000.0)
    teeth = np.stack([x, 5 + x % 2], axis=1)
    checked = check_outline(shapely.Polygon([*teeth, (20_000, 0), (9_999, -5), (10_001, -5), (0, 0)]))
    assert is_outline(checked)
    assert len(checked.geoms) == 2


@EXAMPLES
@given(st.lists(points, min_size=3, max_size=9))
def test_any_ring_is_taken_or_refused(ring: list[tuple[int, int]]) -> None:
    try:
        checked = check_outline(shapely.Polygon(ring))
    except BadParameter:
        assert shapely.make_valid(shapely.Polygon(ring)).area == 0
        return
    assert is_outline(checked)
    assert checked.area == pytest.approx(shapely.make_valid(shapely.Polygon(ring)).area)


@EXAMPLES
@given(mask_outlines)
def test_outlines_of_masks_pass_unchanged(outline: shapely.MultiPolygon) -> None:
    assert check_outline(outline).equals(outline)
