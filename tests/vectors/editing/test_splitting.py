"""One object becomes several, along a line."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadParameter
from server.vectors.editing import checking
from server.vectors.editing.merging import merge
from server.vectors.editing.splitting import split
from tests.vectors.editing.shapes import EXAMPLES, is_outline, mask_outlines

SQUARE = shapely.MultiPolygon([shapely.box(0, 0, 10, 10)])
COURT = shapely.MultiPolygon([shapely.box(0, 0, 10, 10) - shapely.box(4, 4, 6, 6)])
coordinate = st.floats(-2, 20, allow_nan=False, width=32)


def test_a_line_through_makes_two_pieces_the_larger_first() -> None:
    pieces = split(SQUARE, [(3, -1), (3, 11)])
    assert [piece.bounds for piece in pieces] == [(3, 0, 10, 10), (0, 0, 3, 10)]


def test_a_line_that_ends_on_the_border_cuts_through() -> None:
    assert len(split(SQUARE, [(3, 1e-9), (3, 10 - 1e-9)])) == 2


def test_a_line_through_a_hole_opens_it() -> None:
    pieces = split(COURT, [(5, -1), (5, 11)])
    assert [len(piece.geoms[0].interiors) for piece in pieces] == [0, 0]
    assert [piece.area for piece in pieces] == [48, 48]


def test_a_bent_line_cuts_as_often_as_it_passes() -> None:
    assert len(split(SQUARE, [(3, -1), (3, 12), (7, 12), (7, -1)])) == 3


def test_a_closed_line_cuts_out_what_it_surrounds() -> None:
    ring, inner = split(SQUARE, [(2, 2), (4, 2), (4, 4), (2, 4), (2, 2)])
    assert (ring.area, inner.area) == (96, 4)
    assert len(ring.geoms[0].interiors) == 1


def test_uncut_parts_go_with_their_side_of_the_line() -> None:
    """The tower is nearer to the part than the hall, but the line lies between."""
    hall_and_tower = shapely.box(0, 0, 10, 2) | shapely.box(7.5, 0, 20, 20)
    part = shapely.box(5, 15, 6.5, 16)
    tower, hall = split(shapely.MultiPolygon([hall_and_tower, part]), [(7, -1), (7, 30)])
    assert hall.equals(shapely.box(0, 0, 7, 2) | part)
    assert tower.equals(hall_and_tower - shapely.box(0, 0, 7, 2))


def test_uncut_parts_on_no_side_go_with_the_nearest_piece() -> None:
    part = shapely.box(1, 12, 2, 13)
    right, left = split(shapely.MultiPolygon([*SQUARE.geoms, part]), [(3, -1), (3, 11), (-5, 11)])
    assert left.equals(shapely.box(0, 0, 3, 10) | part)
    assert right.equals(shapely.box(3, 0, 10, 10))


@pytest.mark.parametrize(
    ("outline", "line"),
    [
        (SQUARE, [(-5, -5), (-5, 20)]),
        (SQUARE, [(5, -5), (5, 5)]),
        (SQUARE, [(5, 2), (5, 8)]),
        (SQUARE, [(0, -3), (0, 13)]),
        (SQUARE, [(1e-6, -3), (1e-6, 13)]),
        (COURT, [(5, -3), (5, 5)]),
    ],
    ids=["beside", "dead end", "inside", "along the border", "a sliver", "into a hole"],
)
def test_a_line_that_does_not_cut_through_is_refused(outline: shapely.MultiPolygon, line: list) -> None:
    with pytest.raises(BadParameter, match="does not cut the object through") as caught:
        split(outline, line)
    assert caught.value.field == "line"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ([], "no list"),
        ([(1, 2)], "no length"),
        ([(1, 2), (1, 2)], "no length"),
        ([(1, 2, 3), (4, 5, 6)], "no list"),
        ([(0, 0), (np.nan, 1)], "no list"),
    ],
)
def test_what_is_no_line_is_refused(line: list, words: str) -> None:
    with pytest.raises(BadParameter, match=words):
        split(SQUARE, line)


def test_a_line_that_crosses_too_often_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MAX_CROSSINGS", 8)
    zigzag = [(x, -1 if x % 2 else 11) for x in range(1, 10)]
    with pytest.raises(BadParameter, match="crosses the object more than 8 times"):
        split(SQUARE, zigzag)


@EXAMPLES
@given(mask_outlines, st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=5))
def test_pieces_cover_the_object_and_share_nothing(outline: shapely.MultiPolygon, line: list) -> None:
    try:
        pieces = split(outline, line)
    except BadParameter:
        return
    assert len(pieces) > 1
    assert all(is_outline(piece) for piece in pieces)
    assert sum(piece.area for piece in pieces) == pytest.approx(outline.area, rel=1e-9)
    assert shapely.symmetric_difference(merge(pieces), outline).area == pytest.approx(0, abs=1e-6)


@EXAMPLES
@given(mask_outlines)
def test_a_line_across_everything_cuts(outline: shapely.MultiPolygon) -> None:
    left, top, right, bottom = outline.geoms[0].bounds
    pieces = split(outline, [(left - 1, (top + bottom) / 2 - 0.3), (right + 1, (top + bottom) / 2 + 0.3)])
    assert len(pieces) >= 2
