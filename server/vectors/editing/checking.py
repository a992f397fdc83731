"""Decides what may pass as an outline, whether a person sent it or an edit made it."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from server.errors import BadParameter
from server.vectors.polygons import as_multipolygon

# An outline of a whole 10,000 px scene along its pixel borders stays below; more makes every later edit slow.
MAX_VERTICES = 100_000
# Repairing costs time and memory for every crossing; a slip of the hand makes a few, a scribble of n lines n squared.
MAX_CROSSINGS = 10_000
# Far beyond any raster, and doubles still tell a ten-millionth of a pixel apart.
MAX_COORDINATE_PX = 1e8
# Less than this is what rounding leaves, not what somebody drew.
MIN_AREA_PX2 = 1e-6
MAX_TOLERANCE_PX = 1000.0
# Segments looked up at once: bounds time and memory where each of them crosses all others.
CHUNK = 8

Segments = NDArray[np.object_]


def check_outline(geometry: shapely.Geometry) -> shapely.MultiPolygon:
    """Return what a person sent as an outline.

    Args:
        geometry: a polygon or multi-polygon in pixels of the raster; rings may cross themselves or each other, as
            `repair` describes. A third coordinate is dropped.

    Raises:
        BadParameter: it is of another type, empty, without area, not finite, or has too many vertices or crossings.
    """
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        raise BadParameter(f"An outline is a Polygon or MultiPolygon, not a {geometry.geom_type}.", "geometry")
    _check_n_vertices(geometry)
    flat = shapely.force_2d(geometry)
    if not (np.abs(shapely.get_coordinates(flat)) <= MAX_COORDINATE_PX).all():
        raise BadParameter(
            "The outline has coordinates that are not numbers, or far outside of any raster; send finite pixels or "
            "degrees within the raster.",
            "geometry",
        )
    if not flat.is_valid:
        edges = segments_of(flat)
        check_n_crossings(edges, edges, "The outline crosses itself")
    return as_outline(flat)


def as_outline(geometry: shapely.Geometry) -> shapely.MultiPolygon:
    """Return the areas of `geometry` as a valid multi-polygon that is not empty.

    Raises:
        BadParameter: there is no area, or there are too many vertices.
    """
    parts = [part for part in as_multipolygon(repair(geometry)).geoms if part.area >= MIN_AREA_PX2]
    if not parts:
        raise BadParameter("The outline has no area; it needs three corners that are not on one line.", "geometry")
    outline = shapely.MultiPolygon(parts)
    _check_n_vertices(outline)
    return outline


def repair(geometry: shapely.Geometry) -> shapely.Geometry:
    """Return the areas of `geometry` as a valid geometry, perhaps empty; the same one where it was valid.

    Inside a ring that crosses itself is what it surrounds an odd number of times. Holes are taken off their polygon
    wherever they lie, polygons that overlap are united.
    """
    if geometry.is_valid:
        return geometry
    return shapely.union_all(
        [
            _fill(part.exterior) - shapely.union_all([_fill(hole) for hole in part.interiors])
            for part in as_multipolygon(geometry).geoms
        ]
    )


def _fill(ring: shapely.LinearRing) -> shapely.MultiPolygon:
    """Return what a ring surrounds; lines it runs there and back are dropped (with "structure" all may be lost)."""
    return as_multipolygon(shapely.make_valid(shapely.Polygon(ring)))


def check_tolerance(tolerance_px: float) -> None:
    """Refuse a tolerance that is no positive number of pixels up to `MAX_TOLERANCE_PX`.

    Raises:
        BadParameter: it is none.
    """
    if not (math.isfinite(tolerance_px) and 0 < tolerance_px <= MAX_TOLERANCE_PX):
        raise BadParameter(
            f"The tolerance is {tolerance_px:g} px; expected more than 0 and at most {MAX_TOLERANCE_PX:g} px.",
            "tolerance_px",
        )


def check_n_crossings(segments: Segments, others: Segments, what_crosses: str) -> None:
    """Refuse lines that cross others too often to be worked with.

    Args:
        segments: two-point lines.
        others: two-point lines; may be the same array.
        what_crosses: begins the sentence of the error, such as "The line crosses the object".

    Raises:
        BadParameter: there are more than `MAX_CROSSINGS` crossings.
    """
    tree = shapely.STRtree(others)
    n_found = 0
    # Within one set each segment meets itself and its two neighbours, and each crossing is found from both sides.
    limit = 2 * MAX_CROSSINGS + 3 * len(segments) if segments is others else MAX_CROSSINGS
    for first in range(0, len(segments), CHUNK):
        n_found += tree.query(segments[first : first + CHUNK], predicate="intersects").shape[1]
        if n_found > limit:
            raise BadParameter(f"{what_crosses} more than {MAX_CROSSINGS:,} times; draw a plainer one.", "geometry")


def segments_of(geometry: shapely.Geometry) -> Segments:
    """Return the edges of all rings or lines of `geometry` as two-point lines (N,)."""
    edges = []
    lines = shapely.get_parts(geometry.boundary if geometry.area > 0 else geometry)
    for line in lines:
        points = shapely.get_coordinates(line)
        edges.append(np.stack([points[:-1], points[1:]], axis=1))
    segments: Segments = shapely.linestrings(np.concatenate(edges))
    return segments


def _check_n_vertices(geometry: shapely.Geometry) -> None:
    n_vertices = int(shapely.get_num_coordinates(geometry))
    if n_vertices > MAX_VERTICES:
        raise BadParameter(
            f"The outline has {n_vertices:,} vertices; at most {MAX_VERTICES:,} are allowed. Simplify it first.",
            "geometry",
        )
