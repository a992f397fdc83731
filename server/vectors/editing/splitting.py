"""Makes several objects of one, along a line that a person draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import ArrayLike

from server.errors import BadParameter
from server.vectors.editing.checking import MAX_COORDINATE_PX, as_outline, check_n_crossings, segments_of
from server.vectors.editing.rings import Points

# A line that is to end on the border ends beside it by rounding, or by what a hand is off.
OVERSHOOT_PX = 0.5
# Smaller pieces come from a line along the border; nobody cuts them off on purpose.
SLIVER_PX2 = 0.01


def split(outline: shapely.MultiPolygon, line_xy: ArrayLike) -> list[shapely.MultiPolygon]:
    """Return the pieces a line cuts an outline into, the largest first.

    Args:
        outline: pixels of the raster.
        line_xy: (N, 2) corners of the line, in pixels, N >= 2. A closed line inside the outline cuts out what it
            surrounds.

    Returns:
        Two pieces or more; they cover the outline and share nothing but borders. Parts that are not cut go with the
        piece that is nearest to them on their side of the line.

    Raises:
        BadParameter: the line is none, crosses the outline too often, or does not cut it through.
    """
    line = _lengthen(_check_line(line_xy))
    check_n_crossings(segments_of(line), segments_of(outline), "The line crosses the object")
    pieces: list[shapely.Polygon] = []
    whole_parts: list[shapely.Polygon] = []
    for part in outline.geoms:
        found = _cut(part, line)
        (pieces if len(found) > 1 else whole_parts).extend(found)
    if not pieces:
        raise BadParameter(
            "The line does not cut the object through; begin it outside of the object and end it outside.", "line"
        )
    groups = _gather(pieces, whole_parts, line)
    return sorted((as_outline(shapely.MultiPolygon(group)) for group in groups), key=lambda piece: -piece.area)


def _check_line(line_xy: ArrayLike) -> Points:
    points = np.asarray(line_xy, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not (np.abs(points) <= MAX_COORDINATE_PX).all():
        raise BadParameter("The line is no list of [x, y] pairs of finite pixels.", "line")
    points = points[np.append(True, (points[1:] != points[:-1]).any(axis=1))] if len(points) else points
    if len(points) < 2:
        raise BadParameter("The line has no length; it needs two different points or more.", "line")
    return points


def _lengthen(points: Points) -> shapely.LineString:
    """Return the line, longer by `OVERSHOOT_PX` at both ends unless it is closed."""
    if (points[0] == points[-1]).all():
        return shapely.LineString(points)
    first, last = points[0] - points[1], points[-1] - points[-2]
    start = points[0] + first / np.hypot(*first) * OVERSHOOT_PX
    end = points[-1] + last / np.hypot(*last) * OVERSHOOT_PX
    return shapely.LineString(np.vstack([start, points, end]))


def _cut(part: shapely.Polygon, line: shapely.LineString) -> list[shapely.Polygon]:
    """Return the faces that borders and line enclose inside `part`; `part` itself where the line cuts nothing off."""
    borders = shapely.node(shapely.GeometryCollection([part.boundary, line]))
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(borders)))
    shapely.prepare(part)
    inside = shapely.contains_properly(part, shapely.point_on_surface(faces))
    pieces = _absorb_slivers(faces[inside].tolist())
    return pieces if len(pieces) > 1 else [part]


def _absorb_slivers(faces: list[shapely.Polygon]) -> list[shapely.Polygon]:
    """Unite each face that is too small to be meant with the larger face it has most border in common with."""
    pieces = [face for face in faces if face.area >= SLIVER_PX2]
    for sliver in (face for face in faces if face.area < SLIVER_PX2) if pieces else ():
        shared = shapely.length(shapely.intersection(sliver.boundary, [piece.boundary for piece in pieces]))
        host = int(np.argmax(shared))
        united = shapely.union(pieces[host], sliver)
        if united.geom_type == "Polygon":
            pieces[host] = united
    return pieces


def _gather(
    pieces: Sequence[shapely.Polygon], whole_parts: Sequence[shapely.Polygon], line: shapely.LineString
) -> list[list[shapely.Polygon]]:
    """Return for each piece the list of it and the uncut parts that go with it."""
    groups = [[piece] for piece in pieces]
    for part in whole_parts:
        bridges = shapely.shortest_line(part, pieces)
        lengths = shapely.length(bridges) + np.where(shapely.intersects(bridges, line), np.inf, 0)
        nearest = int(np.argmin(lengths if np.isfinite(lengths).any() else shapely.length(bridges)))
        groups[nearest].append(part)
    return groups
