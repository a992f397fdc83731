"""Gives roofs the right angles that the staircase of their mask has lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from server.vectors.editing.checking import as_outline, check_tolerance
from server.vectors.editing.directions import find_main_direction, find_tight_direction, rotate
from server.vectors.editing.rings import Points, corners_of, cut_corners, rebuild
from server.vectors.editing.simplifying import simplify_polygon
from server.vectors.editing.walls import corners_between, drop_short_walls, find_walls, place_walls

# What a result may differ in area, and in area that only one of the two covers, of the area before.
MAX_DIFFERENCE = 0.1
# Per pixel of border, what a straight line differs from its staircase of pixels in area: on average a quarter, at
# most, before corners are cut.
STAIRCASE_PX = 0.25
# Half a pixel takes a staircase to nearly a line, and nothing off a corner that would be seen.
CUT_PX = 0.5
SAMPLE_PX = 0.5
MIN_SAMPLES, MAX_SAMPLES = 40, 1000
# Walls and direction improve each other; after three rounds neither moves by a hundredth of a pixel.
ROUNDS = 3
# Walls of a small part are short: it keeps those down to this share of its size, as long as they are no staircase.
SHORTEST_WALL_SHARE = 1 / 8
SHORTEST_WALL_PX = 0.75
# Radians: 0.02 px over 100 px, no reason for another round.
ALIGNED = 2e-4
# One round turns the walls by no more: where nothing is straight, least squares may ask for anything.
MAX_TURN = 0.2
# A smaller part takes the direction of the largest, unless its own fits this much better.
OWN_DIRECTION_GAIN = 1.5
CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 48)), np.sin(np.linspace(0, 2 * np.pi, 48))], axis=1)


@dataclass(frozen=True)
class _Part:
    """A part of an outline as regularising needs it.

    Attributes:
        polygon: as it was given, about the origin.
        plain: without its staircase.
        simple: `plain` with few corners.
        samples: for each ring of `plain`, (N, 2) points at equal distances.
        shortest_px: shorter walls are left out.
    """

    polygon: shapely.Polygon
    plain: shapely.Polygon
    simple: shapely.Polygon
    samples: list[Points]
    shortest_px: float


@dataclass(frozen=True)
class _Fit:
    """A proposal for a part.

    Attributes:
        polygon: right-angled.
        direction: of its walls, radians.
        difference_px2: area that only one of it and the part covers.
    """

    polygon: shapely.Polygon
    direction: float
    difference_px2: float


def regularise(outline: shapely.MultiPolygon, tolerance_px: float) -> shapely.MultiPolygon:
    """Return an outline whose walls meet at right angles.

    Each part gets walls along the direction most of its border follows and at a right angle to it, holes the same as
    their part, small parts the same as the largest where that fits. Where right angles do not fit (round or
    many-sided things), the part becomes its smallest surrounding rectangle if that fits, else it is only simplified.

    Args:
        outline: pixels of the raster; typically along the borders of pixels.
        tolerance_px: shorter walls and steps are left out; 2 px suits masks.

    Returns:
        The area of each part is within 10 % of what it was; parts that come to overlap become one.

    Raises:
        BadParameter: the tolerance is out of range.
    """
    check_tolerance(tolerance_px)
    direction: float | None = None
    done = []
    for part in sorted(outline.geoms, key=lambda part: -part.area):
        regular, found = _regularise_part(part, tolerance_px, direction)
        direction = found if direction is None else direction
        done.append(regular)
    return as_outline(shapely.union_all(done))


def _regularise_part(
    polygon: shapely.Polygon, tolerance_px: float, direction: float | None
) -> tuple[shapely.Polygon, float | None]:
    """Return the regular part, and the direction of its walls or None where it has none."""
    centre = shapely.get_coordinates(polygon.centroid)[0]
    part = _prepare(shapely.transform(polygon, lambda points: points - centre), tolerance_px)
    fit = _fit(part, direction)
    if fit is None:
        return _simplify_gently(polygon, tolerance_px), None
    return shapely.transform(fit.polygon, lambda points: points + centre), fit.direction


def _prepare(polygon: shapely.Polygon, tolerance_px: float) -> _Part:
    shortest = min(tolerance_px, max(SHORTEST_WALL_PX, SHORTEST_WALL_SHARE * polygon.area**0.5))
    sloped = rebuild(polygon, lambda ring: cut_corners(ring, CUT_PX))
    plain = sloped if sloped.is_valid else polygon
    samples = [_sample(ring) for ring in (plain.exterior, *plain.interiors)]
    return _Part(polygon, plain, shapely.simplify(plain, shortest), samples, shortest)


def _sample(ring: shapely.LinearRing) -> Points:
    """Return points (N, 2) at equal distances along a ring."""
    points = shapely.get_coordinates(ring)
    travelled = np.append(0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
    n_samples = int(np.clip(travelled[-1] / SAMPLE_PX, MIN_SAMPLES, MAX_SAMPLES))
    at = travelled[-1] * np.arange(n_samples) / n_samples
    return np.stack([np.interp(at, travelled, points[:, axis]) for axis in (0, 1)], axis=1)


def _fit(part: _Part, direction: float | None) -> _Fit | None:
    """Return the best right-angled shape for a part, or None where there is none.

    Args:
        part: what to fit.
        direction: one to prefer, or None.
    """
    tight = find_tight_direction(part.plain)
    fits = [_judge(part, *_fit_walls(part, start)) for start in (find_main_direction(part.simple), tight)]
    best = min((fit for fit in fits if fit), key=lambda fit: fit.difference_px2, default=None)
    if direction is not None:
        given = _judge(part, _raise_walls(part, direction)[0], direction)
        if given and (best is None or given.difference_px2 < OWN_DIRECTION_GAIN * best.difference_px2):
            best = given
    return best or _judge(part, part.plain.minimum_rotated_rectangle, tight)


def _fit_walls(part: _Part, direction: float) -> tuple[shapely.Polygon | None, float]:
    """Return the part with walls, and their direction, which is improved from where it starts."""
    for _ in range(ROUNDS):
        polygon, turn = _raise_walls(part, direction)
        if abs(turn) < ALIGNED:
            return polygon, direction
        direction += turn
    return _raise_walls(part, direction)[0], direction


def _raise_walls(part: _Part, direction: float) -> tuple[shapely.Polygon | None, float]:
    """Return the part with walls in one direction, None where they cross; and by how much its border is turned."""
    rings, sums = [], np.zeros(2)
    for ring, samples in zip((part.simple.exterior, *part.simple.interiors), part.samples, strict=True):
        turned = rotate(samples, -direction)
        offsets = find_walls(rotate(corners_of(ring), -direction), part.shortest_px)
        if offsets is None:
            offsets = _surround(turned)
        for _ in range(ROUNDS):
            offsets, found = place_walls(offsets, turned, part.shortest_px)
            offsets = drop_short_walls(offsets, part.shortest_px)
        sums += found
        rings.append(rotate(corners_between(offsets), direction))
    polygon = shapely.Polygon(rings[0], rings[1:])
    return polygon if polygon.is_valid else None, float(np.clip(sums[0] / max(sums[1], 1e-9), -MAX_TURN, MAX_TURN))


def _simplify_gently(polygon: shapely.Polygon, tolerance_px: float) -> shapely.Polygon:
    """Return a simpler polygon, with less than the tolerance where all of it would take too much of the area."""
    for tolerance in (tolerance_px, tolerance_px / 2, tolerance_px / 4):
        simple = simplify_polygon(polygon, tolerance)
        if abs(simple.area - polygon.area) <= MAX_DIFFERENCE * polygon.area:
            return simple
    return polygon


def _surround(samples: Points) -> Points:
    """Return the four walls around points."""
    (left, top), (right, bottom) = samples.min(axis=0), samples.max(axis=0)
    return np.array([top, right, bottom, left])


def _judge(part: _Part, polygon: shapely.Polygon | None, direction: float) -> _Fit | None:
    """Return a proposal with its difference, or None where it is too far from the part or an ellipse is nearer."""
    if polygon is None or abs(polygon.area - part.polygon.area) > MAX_DIFFERENCE * part.polygon.area:
        return None
    difference = polygon.symmetric_difference(part.polygon).area
    if difference > MAX_DIFFERENCE * part.polygon.area + STAIRCASE_PX * part.plain.length:
        return None
    if difference > _make_ellipse(part).symmetric_difference(part.polygon).area:
        return None
    return _Fit(polygon, direction, difference)


def _make_ellipse(part: _Part) -> shapely.Polygon:
    """Return an ellipse with the area of a part, and about its centre, proportions and direction."""
    samples = part.samples[0]
    lengths, axes = np.linalg.eigh(np.cov(samples.T))
    semi_axes = np.sqrt(lengths)
    semi_axes *= np.sqrt(part.polygon.area / (np.pi * semi_axes.prod()))
    return shapely.Polygon(samples.mean(axis=0) + CIRCLE * semi_axes @ axes.T)
