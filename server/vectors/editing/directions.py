"""Finds the direction that most walls of an outline follow."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from server.vectors.editing.rings import Points, corners_of

QUARTER = math.pi / 2
# Walls count together when their directions differ by up to about this much: a wall of 15 px drawn on pixels is off
# by up to 4 degrees.
SPREAD = math.radians(6)
N_BINS = 180


def find_main_direction(polygon: shapely.Polygon) -> float:
    """Return the direction of most of the border.

    Every edge votes with its square length (the direction of a long wall is known better) for its direction, or the
    one at a right angle to it.

    Args:
        polygon: with straight walls, without staircases.

    Returns:
        Radians from the x axis towards the y axis, 0 <= direction < pi / 2.
    """
    edges = np.concatenate([_edges_of(ring) for ring in (polygon.exterior, *polygon.interiors)])
    directions: NDArray[np.float64] = np.arctan2(edges[:, 1], edges[:, 0]) % QUARTER
    weights = (edges**2).sum(axis=1)
    bins = np.arange(N_BINS) * (QUARTER / N_BINS)
    votes = np.zeros(N_BINS)
    for direction, weight in zip(directions, weights, strict=True):
        votes += weight * np.exp(-((turn_between(bins, direction) / SPREAD) ** 2))
    best = bins[int(np.argmax(votes))]
    turns = turn_between(directions, best)
    near = weights * (np.abs(turns) <= 2 * SPREAD)
    return float(best + (turns * near).sum() / near.sum()) % QUARTER if near.any() else float(best)


def find_tight_direction(polygon: shapely.Polygon) -> float:
    """Return the direction of the smallest rotated rectangle around a polygon, 0 <= direction < pi / 2."""
    longest = _edges_of(polygon.minimum_rotated_rectangle.exterior)[0]
    return float(np.arctan2(longest[1], longest[0]) % QUARTER)


def turn_between(directions: NDArray[np.floating], reference: float) -> NDArray[np.float64]:
    """Return how far each direction is turned from `reference`, up to right angles: -pi/4 <= turn < pi/4."""
    turns = (directions - reference + QUARTER / 2) % QUARTER - QUARTER / 2
    return turns.astype(np.float64)


def rotate(points: Points, angle: float) -> Points:
    """Return points (N, 2) turned about the origin by `angle` radians from the x axis towards the y axis."""
    cos, sin = math.cos(angle), math.sin(angle)
    turned: Points = points @ np.array([[cos, sin], [-sin, cos]])
    return turned


def _edges_of(ring: shapely.LinearRing) -> Points:
    """Return the edges (N, 2) of a ring as vectors."""
    points = corners_of(ring)
    edges: Points = np.roll(points, -1, axis=0) - points
    return edges
