"""Describes a ring as walls that meet at right angles, and moves them to where the border really runs.

Everything here happens in a frame in which walls run along x (level) or along y (upright). A closed sequence of walls
is an array of offsets (n,), n even and at least 4: walls 0, 2, 4 ... are level and their offset is their y, walls 1, 3,
5 ... are upright and their offset is their x.
"""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from server.vectors.editing.rings import Points

Offsets = NDArray[np.float64]
# Steeper than this an edge follows neither direction: a bevelled or rounded corner, which the walls beside it replace.
BEVEL_SLOPE = math.tan(math.radians(30))
FEWEST_WALLS = 4


def find_walls(corners: Points, shortest_px: float) -> Offsets | None:
    """Return the walls of a ring, or None where it has no two directions.

    Args:
        corners: (N, 2) of a simplified ring, in the frame of the walls.
        shortest_px: shorter walls are left out, their neighbours become one; so are steps of less than this.
    """
    runs: list[tuple[bool, float, float]] = []
    bevel: NDArray[np.float64] | None = None
    for middle, edge in _edges_from_a_corner(corners):
        run = np.abs(edge)
        if run.min() > BEVEL_SLOPE * run.max():
            bevel = middle
            continue
        is_level = bool(run[0] > run[1])
        offset = float(middle[1 if is_level else 0])
        if runs and bevel is not None and runs[-1][0] == is_level and abs(runs[-1][1] - offset) >= shortest_px:
            runs.append((not is_level, float(bevel[0 if is_level else 1]), abs(runs[-1][1] - offset)))
        _add_run(runs, (is_level, offset, float(run.max())))
        bevel = None
    if len(runs) > 1 and runs[0][0] == runs[-1][0]:
        _add_run(runs, runs.pop(0))
    if len(runs) < FEWEST_WALLS:
        return None
    offsets = np.array([offset for _, offset, _ in runs])
    return drop_short_walls(offsets if runs[0][0] else np.roll(offsets, -1), shortest_px)


def _edges_from_a_corner(corners: Points) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return (middle, edge) around the ring, beginning with the longest edge: no bevel is then cut in two."""
    following = np.roll(corners, -1, axis=0)
    edges, middles = following - corners, (following + corners) / 2
    first = int(np.argmax(np.hypot(*edges.T)))
    order = np.roll(np.arange(len(corners)), -first)
    return [(middles[index], edges[index]) for index in order]


def _add_run(runs: list[tuple[bool, float, float]], run: tuple[bool, float, float]) -> None:
    """Append a run of border (is level, offset, length), or unite it with the last one of the same direction."""
    if runs and runs[-1][0] == run[0]:
        is_level, offset, length = runs.pop()
        run = (is_level, (offset * length + run[1] * run[2]) / (length + run[2]), length + run[2])
    runs.append(run)


def drop_short_walls(offsets: Offsets, shortest_px: float) -> Offsets:
    """Return the walls without those shorter than `shortest_px`, as long as four are left.

    The shortest goes first. The two parallel walls it joined become one, between them, nearer to the longer one.
    """
    while len(offsets) > FEWEST_WALLS:
        lengths = wall_lengths(offsets)
        at = int(np.argmin(lengths))
        if lengths[at] >= shortest_px:
            break
        # Two steps keep level walls at even places; afterwards both neighbours are inside the array.
        shift = 2 if at in (0, len(offsets) - 1) else 0
        offsets, lengths = np.roll(offsets, shift), np.roll(lengths, shift)
        at = (at + shift) % len(offsets)
        sides = lengths[[at - 1, at + 1]] + 1e-9
        offsets[at - 1] = np.average(offsets[[at - 1, at + 1]], weights=sides)
        offsets = np.delete(offsets, [at, at + 1])
    return offsets


def wall_lengths(offsets: Offsets) -> NDArray[np.float64]:
    """Return the length of each wall: how far its neighbours are apart."""
    lengths: NDArray[np.float64] = np.abs(np.roll(offsets, -1) - np.roll(offsets, 1))
    return lengths


def corners_between(offsets: Offsets) -> Points:
    """Return the corners (n, 2): corner i is where wall i meets wall i + 1."""
    following = np.roll(offsets, -1)
    is_level = np.arange(len(offsets)) % 2 == 0
    return np.stack([np.where(is_level, following, offsets), np.where(is_level, offsets, following)], axis=1)


def place_walls(offsets: Offsets, samples: Points, margin_px: float) -> tuple[Offsets, NDArray[np.float64]]:
    """Move each wall to the mean of the border beside it.

    Args:
        offsets: the walls so far.
        samples: (N, 2) points at equal distances on the border.
        margin_px: border that is nearer to the end of a wall does not count, because masks have rounded corners; at
            most a quarter of the wall is left out at each end.

    Returns:
        The offsets, and (covariance, variance) sums: their ratio is by how many radians the border is turned against
        the frame, by least squares over all walls.
    """
    corners = corners_between(offsets)
    starts = np.roll(corners, 1, axis=0)
    nearest = shapely.STRtree(shapely.linestrings(np.stack([starts, corners], axis=1))).nearest(shapely.points(samples))
    margins = np.minimum(margin_px, wall_lengths(offsets) / 4)
    placed, sums = offsets.copy(), np.zeros(2)
    for wall in np.unique(nearest):
        along, across = (0, 1) if wall % 2 == 0 else (1, 0)
        near = samples[nearest == wall]
        low, high = sorted((starts[wall, along], corners[wall, along]))
        near = near[(near[:, along] >= low + margins[wall]) & (near[:, along] <= high - margins[wall])]
        if len(near):
            placed[wall] = near[:, across].mean()
            centred = near - near.mean(axis=0)
            sign = 1 if wall % 2 == 0 else -1
            sums += (sign * (centred[:, 0] * centred[:, 1]).sum(), (centred[:, along] ** 2).sum())
    return placed, sums
