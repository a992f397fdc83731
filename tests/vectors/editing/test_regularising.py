"""Masks of roofs get their right angles back; what has none is left in peace."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from rasterio.features import shapes
from shapely import affinity

from server.errors import BadParameter
from server.vectors.editing.directions import find_main_direction, find_tight_direction, rotate
from server.vectors.editing.regularising import regularise
from server.vectors.editing.walls import corners_between, drop_short_walls, find_walls, place_walls, wall_lengths
from tests.vectors.editing.shapes import (
    EXAMPLES,
    draw,
    is_outline,
    make_shape,
    mask_outlines,
    measure_angles,
    measure_iou,
    place,
    tolerances,
)

CORNERS = {"rectangle": 4, "L": 6, "T": 8, "U": 8, "courtyard": 8}
ANGLES = [0, 1, 7, 15, 23, 30, 45, 58, 66, 74, 89]


def rings_of(outline: shapely.MultiPolygon) -> Iterator[shapely.LinearRing]:
    for part in outline.geoms:
        yield part.exterior
        yield from part.interiors


def count_corners(outline: shapely.MultiPolygon) -> int:
    return sum(len(ring.coords) - 1 for ring in rings_of(outline))


def has_right_angles(outline: shapely.MultiPolygon) -> bool:
    return all(np.allclose(measure_angles(ring), 90, atol=1e-3) for ring in rings_of(outline))


@pytest.mark.parametrize("size", [20, 35, 90])
@pytest.mark.parametrize("kind", CORNERS)
def test_roofs_get_their_corners_back(kind: str, size: int) -> None:
    for angle in ANGLES:
        truth = place(make_shape(kind, size), angle)
        mask = draw(truth)
        regular = regularise(mask, 2.0)
        assert is_outline(regular), angle
        assert (count_corners(regular), has_right_angles(regular)) == (CORNERS[kind], True), angle
        # A wall along the pixels is drawn up to half a pixel off, and nothing can tell.
        assert measure_iou(regular, truth) >= min(0.93, measure_iou(mask, truth) - 0.002), angle
        assert regular.area == pytest.approx(mask.area, rel=0.1), angle


def test_large_roofs_are_exact() -> None:
    for angle in (3, 33, 50):
        truth = place(make_shape("L", 150), angle)
        assert measure_iou(regularise(draw(truth), 2.0), truth) > 0.99


@pytest.mark.parametrize("kind", ["L", "U"])
def test_rounded_corners_and_bumps_of_a_mask_go(kind: str) -> None:
    """A network's masks have round corners, and here and there a dent."""
    for angle in (12, 40, 71):
        truth = place(make_shape(kind, 70), angle)
        left, top = truth.exterior.coords[0]
        worn = truth.buffer(-4).buffer(4).buffer(4).buffer(-4) - shapely.Point(left, top).buffer(3)
        regular = regularise(draw(worn), 3.0)
        assert (count_corners(regular), has_right_angles(regular)) == (CORNERS[kind], True)
        assert measure_iou(regular, truth) > 0.95


@pytest.mark.parametrize("size", [10, 16, 30, 60, 150])
@pytest.mark.parametrize("kind", ["circle", "ellipse"])
def test_round_things_stay_round(kind: str, size: int) -> None:
    truth = place(make_shape(kind, size), 25)
    mask = draw(truth)
    regular = regularise(mask, 2.0)
    assert is_outline(regular)
    assert not has_right_angles(regular)
    assert regular.area == pytest.approx(mask.area, rel=0.1)
    assert measure_iou(regular, mask) > 0.85


def test_a_triangle_keeps_its_shape() -> None:
    mask = draw(place(shapely.Polygon([(0, 0), (60, 0), (20, 45)]), 10))
    regular = regularise(mask, 2.0)
    assert measure_iou(regular, mask) > 0.93
    assert count_corners(regular) <= 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2), (1, 9), (3, 5)])
def test_tiny_rectangles_stay_as_they_are(shape: tuple[int, int]) -> None:
    box = shapely.MultiPolygon([shapely.box(4, 6, 4 + shape[0], 6 + shape[1])])
    assert regularise(box, 2.0).symmetric_difference(box).area < 0.05 * box.area


def test_a_courtyard_follows_its_roof() -> None:
    """Of the small yard's own border one could not tell the direction."""
    truth = place(make_shape("rectangle", 80) - shapely.box(20, 15, 26, 21), 33)
    regular = regularise(draw(truth), 2.0)
    (yard,) = regular.geoms[0].interiors
    assert count_corners(regular) == 8
    first, second = (find_tight_direction(shapely.Polygon(ring)) for ring in (regular.geoms[0].exterior, yard))
    assert first == pytest.approx(second, abs=1e-6)
    assert shapely.Polygon(yard).area == pytest.approx(36, abs=6)


def test_parts_share_the_direction_of_the_largest() -> None:
    truth = place(make_shape("L", 60) | shapely.box(70, 0, 79, 8), 20)
    regular = regularise(draw(truth), 2.0)
    assert sorted(len(part.exterior.coords) for part in regular.geoms) == [5, 7]
    directions = [find_tight_direction(part) for part in regular.geoms]
    assert directions[0] == pytest.approx(directions[1], abs=1e-6)


def test_parts_may_have_directions_of_their_own() -> None:
    house, shed = make_shape("rectangle", 60), affinity.rotate(shapely.box(80, 0, 120, 30), 25)
    regular = regularise(draw(place(house | shed, 10)), 2.0)
    turns = [math.degrees(find_tight_direction(part)) for part in regular.geoms]
    assert sorted(turns) == pytest.approx([10, 35], abs=1)
    assert has_right_angles(regular)


def test_the_place_in_the_raster_does_not_matter() -> None:
    mask = draw(place(make_shape("U", 40), 28))
    moved = regularise(affinity.translate(mask, 54_321, 98_765), 2.0)
    assert affinity.translate(moved, -54_321, -98_765).symmetric_difference(regularise(mask, 2.0)).area < 1e-3


def test_a_tolerance_out_of_range_is_refused() -> None:
    with pytest.raises(BadParameter, match="tolerance is -2 px"):
        regularise(shapely.MultiPolygon([shapely.box(0, 0, 9, 9)]), -2)


@EXAMPLES
@given(mask_outlines, tolerances)
def test_any_mask_gives_an_outline_of_its_area(outline: shapely.MultiPolygon, tolerance_px: float) -> None:
    regular = regularise(outline, tolerance_px)
    assert is_outline(regular)
    # Parts that meet are united, so together they may cover less than each for itself.
    assert 0.75 * outline.area <= regular.area <= 1.1 * outline.area + 1e-6


def test_real_footprints(real_data: Path) -> None:
    """Most footprints that people drew around houses come back from their masks with four to eight right angles."""
    folder = real_data / "fair_hot_buildings" / "mosaics_z20"
    if not folder.is_dir():
        pytest.skip(f"no building footprints at {folder}")
    with rasterio.open(folder / "region3_1_instances.tif") as raster:
        labels = raster.read(1).astype(np.int32)
    masks = [shapely.geometry.shape(geometry) for geometry, _ in shapes(labels, mask=labels > 0, connectivity=4)]
    large = [shapely.MultiPolygon([mask]) for mask in masks if mask.area > 300]
    regular = [regularise(mask, 2.0) for mask in large]
    right = [has_right_angles(outline) and count_corners(outline) <= 8 for outline in regular]
    assert len(large) > 20
    assert np.mean(right) > 0.8
    assert np.mean([measure_iou(*pair) for pair in zip(large, regular, strict=True)]) > 0.93


@pytest.mark.parametrize("degrees", [0, 5, 44, 45, 80, 89.5])
def test_directions_of_a_turned_house(degrees: float) -> None:
    house = affinity.rotate(make_shape("L", 40), degrees)
    for found in (find_main_direction(house), find_tight_direction(house)):
        assert math.degrees(found) == pytest.approx(degrees, abs=1e-6)


def test_rotating_goes_from_x_to_y() -> None:
    assert rotate(np.array([[1.0, 0.0]]), math.pi / 2) == pytest.approx(np.array([[0.0, 1.0]]))


def test_walls_have_corners_between_them() -> None:
    walls = np.array([0.0, 10.0, 6.0, 4.0, 8.0, 0.0])
    corners = [(10, 0), (10, 6), (4, 6), (4, 8), (0, 8), (0, 0)]
    assert corners_between(walls).tolist() == [list(corner) for corner in corners]
    assert wall_lengths(walls).tolist() == [10, 6, 6, 2, 4, 8]


def test_a_short_wall_goes_and_its_neighbours_become_one() -> None:
    """Wherever the step is in the ring: level walls stay at even places."""
    walls = np.array([0.0, 10.0, 6.0, 4.0, 7.0, 0.0])
    for shift in (0, 2, 4):
        offsets = drop_short_walls(np.roll(walls, shift), 2.0)
        assert sorted(offsets[::2].tolist()) == pytest.approx([0, 6.4], abs=1e-6)
        assert sorted(offsets[1::2].tolist()) == [0, 10]


def test_a_bevelled_corner_becomes_a_corner() -> None:
    bevelled = np.array([[0.0, 0], [9, 0], [10, 1], [10, 8], [0, 8]])
    walls = find_walls(bevelled, 2.0)
    assert walls is not None
    assert shapely.Polygon(corners_between(walls)).equals(shapely.box(0, 0, 10, 8))


def test_a_lozenge_has_no_walls() -> None:
    assert find_walls(np.array([[0.0, 5], [5, 0], [10, 5], [5, 10]]), 1.0) is None


def test_walls_move_to_the_border_and_tell_how_it_is_turned() -> None:
    turn = 0.02
    border = shapely.box(-20, -10, 20, 10).exterior.segmentize(0.5)
    samples = rotate(shapely.get_coordinates(border)[:-1], turn)
    offsets, _ = place_walls(np.array([-11.0, 19.0, 9.0, -21.0]), samples, 1.0)
    offsets, (covariance, variance) = place_walls(offsets, samples, 1.0)
    assert offsets == pytest.approx(np.array([-10, 20, 10, -20]), abs=0.05)
    assert covariance / variance == pytest.approx(turn, abs=1e-3)
