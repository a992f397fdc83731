"""Rounds outlines of things that grow or flow: fields, crowns, water."""

from __future__ import annotations

from functools import partial

import numpy as np
import shapely

from server.vectors.editing.checking import as_outline, check_tolerance
from server.vectors.editing.rings import Points, cut_corners, drop_repeats, rebuild
from server.vectors.editing.simplifying import simplify, simplify_polygon

# Of the tolerance, what each step may use up; together all of it.
CUT_SHARE = 0.25
SIMPLIFY_SHARE = 0.4
ROUND_SHARE = 0.35
# Points on the curve of each corner: between them it differs from its chords by a few hundredths of the tolerance.
CURVE_AT = np.linspace(0, 1, 6)
# Curves of short edges begin where the last one ended, but for rounding.
SAME_PX = 1e-9
# A curve that runs into another border is tried again with less of the tolerance.
SCALES = (1.0, 0.5, 0.25)


def smooth(outline: shapely.MultiPolygon, tolerance_px: float) -> shapely.MultiPolygon:
    """Return an outline with rounded corners and without the staircase of its pixels.

    Corners are cut a little, so that stairs become slopes; what is left of them is simplified; each corner that
    remains becomes a parabola between points on its two edges (a quadratic B-spline where edges are short).

    Args:
        outline: pixels of the raster.
        tolerance_px: the new border is nowhere farther from the old one, and the other way round.

    Returns:
        As many parts and holes as before. Where even slight rounding would make borders cross, a part is only
        simplified.

    Raises:
        BadParameter: the tolerance is out of range, or the result has too many vertices.
    """
    check_tolerance(tolerance_px)
    whole = shapely.MultiPolygon([_smooth_part(part, tolerance_px) for part in outline.geoms])
    if not whole.is_valid:  # parts close to each other have met
        return simplify(outline, tolerance_px)
    return as_outline(whole)


def _smooth_part(part: shapely.Polygon, tolerance_px: float) -> shapely.Polygon:
    for scale in SCALES:
        budget = tolerance_px * scale
        sloped = rebuild(part, partial(cut_corners, distance=budget * CUT_SHARE))
        plain = simplify_polygon(sloped, budget * SIMPLIFY_SHARE) if sloped.is_valid else sloped
        rounded = rebuild(plain, partial(round_corners, reach_px=budget * ROUND_SHARE))
        if rounded.is_valid:
            return rounded
    return simplify_polygon(part, tolerance_px)


def round_corners(points: Points, reach_px: float) -> Points:
    """Return a ring whose corners are parabolas.

    Args:
        points: corners (N, 2).
        reach_px: how far a curve may pass from its corner.

    Returns:
        (M, 2) points on the curve, M <= 6 N.
    """
    to_next = np.roll(points, -1, axis=0) - points
    length = np.hypot(*to_next.T)
    ahead = to_next / length[:, np.newaxis]
    back = -np.roll(ahead, 1, axis=0)
    # A parabola from `radius` before the corner to `radius` behind it passes it at a quarter of this width.
    width = np.hypot(*(ahead + back).T)
    longest = np.minimum(length, np.roll(length, 1)) / 2
    radius = np.minimum(4 * reach_px / np.maximum(width, 1e-9), longest)[:, np.newaxis]
    start, end = points + back * radius, points + ahead * radius
    t = CURVE_AT[:, np.newaxis, np.newaxis]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * points + t**2 * end
    return drop_repeats(curve.transpose(1, 0, 2).reshape(-1, 2), SAME_PX)
