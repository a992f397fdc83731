"""Several objects become one."""

from __future__ import annotations

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadParameter
from server.vectors.editing.merging import merge
from server.vectors.polygons import as_multipolygon
from tests.vectors.editing.shapes import EXAMPLES, is_outline, mask_outlines


def box(*bounds: float) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([shapely.box(*bounds)])


def test_neighbours_lose_the_border_between_them() -> None:
    merged = merge([box(0, 0, 4, 4), box(4, 0, 9, 4)])
    assert merged.equals(shapely.box(0, 0, 9, 4))
    assert shapely.get_num_coordinates(merged) == 5  # no corner left where they met


def test_what_does_not_touch_becomes_parts() -> None:
    merged = merge([box(0, 0, 4, 4), box(6, 0, 9, 4), box(20, 20, 21, 21)])
    assert (len(merged.geoms), merged.area) == (3, 29)


@pytest.mark.parametrize("count", [0, 1])
def test_one_object_cannot_be_merged(count: int) -> None:
    with pytest.raises(BadParameter, match=rf"{count} objects were chosen"):
        merge([box(0, 0, 1, 1)] * count)


@EXAMPLES
@given(st.lists(mask_outlines, min_size=2, max_size=4))
def test_area_is_that_of_the_union(outlines: list[shapely.MultiPolygon]) -> None:
    merged = merge(outlines)
    assert is_outline(merged)
    assert shapely.symmetric_difference(merged, as_multipolygon(shapely.union_all(outlines))).area == 0
