"""Rings of outlines as arrays of their corners, the form in which corners are cut and rounded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from numpy.typing import NDArray

# (N, 2) x and y; a ring does not repeat its first corner.
Points = NDArray[np.float64]


def corners_of(ring: shapely.LinearRing) -> Points:
    """Return the corners (N, 2) of a ring, each once."""
    points: Points = shapely.get_coordinates(ring)[:-1]
    return drop_repeats(points)


def drop_repeats(points: Points, nearest_px: float = 0.0) -> Points:
    """Return a ring (N, 2) without the corners that are no farther than `nearest_px` in x and y from the one before."""
    return points[(np.abs(points - np.roll(points, 1, axis=0)) > nearest_px).any(axis=1)]


def rebuild(polygon: shapely.Polygon, change: Callable[[Points], Points]) -> shapely.Polygon:
    """Return a polygon of the changed rings of `polygon`; it may be invalid."""
    holes = [change(corners_of(hole)) for hole in polygon.interiors]
    return shapely.Polygon(change(corners_of(polygon.exterior)), holes)


def cut_corners(points: Points, distance: float) -> Points:
    """Replace each corner by two, `distance` away from it on its edges, or in their middle where they are short.

    The staircase that a slanted border leaves on pixels becomes nearly straight; no point of the border moves by
    more than `distance` x 0.71 at a right angle, or `distance` at a sharp one.

    Returns:
        (M, 2) with N <= M <= 2 N.
    """
    edges = np.roll(points, -1, axis=0) - points
    share = np.minimum(0.5, distance / np.hypot(*edges.T))[:, np.newaxis]
    after, before_next = points + edges * share, points + edges * (1 - share)
    both = np.stack([after, before_next], axis=1).reshape(-1, 2)
    cut: Points = both[np.repeat(share[:, 0] < 0.5, 2) | (np.arange(len(both)) % 2 == 0)]
    return cut
