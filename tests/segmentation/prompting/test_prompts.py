"""Prompts in any space become pixels, and senseless ones are refused with a sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from server.errors import BadParameter
from server.rasters.coordinates import Georeference
from server.segmentation.prompting.prompts import MAX_POINTS, Extent, GivenPrompts, read_prompts
from server.vectors.placement import Placement

NOWHERE = Placement(None)
SIZE = (100, 80)


def place(transform: Affine) -> Placement:
    back = ~transform
    return Placement(
        Georeference(
            CRS.from_epsg(32650),
            lambda points: np.stack(transform * tuple(points.T), axis=1),
            lambda points: np.stack(back * tuple(points.T), axis=1),
        )
    )


@pytest.mark.parametrize(
    ("points", "box", "field", "words"),
    [
        ([], None, "points", "no prompt"),
        ([[1, 1, 1]] * (MAX_POINTS + 1), None, "points", f"at most {MAX_POINTS}"),
        ([[1, 1]], None, "points", "[x, y, label]"),
        ([[1, 1, 2]], None, "points", "label is 1"),
        ([[1, 1, float("nan")]], None, "points", "label is 1"),
        ([[1, 1, 0]], None, "points", "add one inside"),
        ([[float("nan"), 1, 1]], None, "points", "no number"),
        ([[1, float("inf"), 1]], None, "points", "no number"),
        ([[-0.5, 1, 1]], None, "points", "not on the raster of 100 x 80"),
        ([[100, 1, 1]], None, "points", "not on the raster"),
        ([[1, 80.5, 0], [1, 1, 1]], None, "points", "Point 1, 80.5"),
        ([], [1, 2, 3], "box", "four numbers"),
        ([], [5, 5, 5, 20], "box", "covers no part"),
        ([], [200, 5, 300, 20], "box", "covers no part"),
        ([], [1, 1, float("nan"), 20], "box", "no number"),
    ],
)
def test_senseless_prompts_are_refused(points, box, field, words) -> None:
    with pytest.raises(BadParameter, match=re.escape(words)) as caught:
        read_prompts(GivenPrompts(points, box, "pixel"), NOWHERE, SIZE, refines=False)
    assert caught.value.field == field


def test_points_outside_are_enough_to_correct_a_mask() -> None:
    prompts = read_prompts(GivenPrompts([[1, 2, 0]], None, "pixel"), NOWHERE, SIZE, refines=True)
    assert prompts.labels.tolist() == [0]


def test_a_box_may_be_dragged_any_way_and_over_the_border() -> None:
    prompts = read_prompts(GivenPrompts([], [120, 30, 60, -5], "pixel"), NOWHERE, SIZE, refines=False)
    assert prompts.box == Extent(60, 0, 100, 30)
    assert prompts.extent == prompts.box


def test_the_extent_holds_points_and_box() -> None:
    given = GivenPrompts([[5, 70, 1], [90, 60, 0]], [20, 10, 30, 20], "pixel")
    assert read_prompts(given, NOWHERE, SIZE, refines=False).extent == Extent(5, 10, 90, 70)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(0.5, 0, 500_000, 0, -0.5, 4_400_000),
        Affine(0.5, 0, 500_000, 0, 0.5, 4_400_000),
        Affine.translation(500_000, 4_400_000) @ Affine.rotation(30) @ Affine.scale(0.5, -0.5),
    ],
    ids=["north-up", "south-up", "rotated"],
)
def test_places_on_the_map_become_pixels(transform: Affine) -> None:
    placement = place(transform)
    pixels = np.array([[10.25, 20.5], [60.0, 50.0]])
    lonlat = placement.to_lonlat(placement.to_map(pixels))
    given = GivenPrompts([[*lonlat[0], 1]], lonlat.ravel().tolist(), "map")
    prompts = read_prompts(given, placement, SIZE, refines=False)
    np.testing.assert_allclose(prompts.points_xy, pixels[:1], atol=1e-4)
    assert prompts.box is not None
    x0, y0, x1, y1 = prompts.box
    assert x0 <= 10.25 + 1e-4 < 60 <= x1 + 1e-4
    assert y0 <= 20.5 + 1e-4 < 50 <= y1 + 1e-4


def test_the_map_of_a_raster_without_a_place_is_its_pixels() -> None:
    prompts = read_prompts(GivenPrompts([[10, 20, 1]], None, "map"), NOWHERE, SIZE, refines=False)
    assert prompts.points_xy.tolist() == [[10, 20]]


def test_a_place_the_projection_does_not_know_is_refused() -> None:
    with pytest.raises(BadParameter) as caught:
        read_prompts(GivenPrompts([[400, 95, 1]], None, "map"), place(Affine.identity()), SIZE, refines=False)
    assert caught.value.field == "points"
