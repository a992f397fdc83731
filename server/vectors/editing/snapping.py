"""Makes an outline share its border with the objects beside it, without gap or overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from server.errors import BadParameter
from server.vectors.editing.checking import Segments, as_outline, check_tolerance, repair, segments_of
from server.vectors.editing.rings import Points, drop_repeats, rebuild

# Nearer than this counts as touching: what rounding leaves of a shared border.
TOUCHING_PX = 1e-6
# Who shares more of its area than this lies on top of the other one, and is meant to.
ON_TOP_SHARE = 0.5
# Neighbours matter only as far as tolerances around the outline; their far corners would only cost time.
REACH = 3


def snap(
    outline: shapely.MultiPolygon, neighbours: Sequence[shapely.MultiPolygon], tolerance_px: float
) -> shapely.MultiPolygon:
    """Return an outline whose border runs along its neighbours wherever it came near them.

    Corners go to the nearest corner of a neighbour within half the tolerance, else to the nearest point of its border
    within the tolerance; edges go through the corners of neighbours that are as near; gaps that are then closed at
    both ends and narrower than the tolerance are filled. What overlaps a neighbour is cut off, also where it is wider
    than the tolerance, and so are slivers left on the far side of a neighbour.

    Args:
        outline: pixels of the raster.
        neighbours: they stay as they are. One that shares more than half of its area, or of the outline's, lies on or
            under the outline and is left out of account.
        tolerance_px: how near is near.

    Returns:
        An outline that overlaps none of the neighbours taken into account; the same outline where none is near.

    Raises:
        BadParameter: the tolerance is out of range, or the neighbours leave nothing of the outline.
    """
    check_tolerance(tolerance_px)
    block = _unite_neighbours(outline, neighbours, tolerance_px)
    if block.is_empty:
        return as_outline(outline)
    pulled = _pull_border(outline, block, tolerance_px)
    filled = shapely.union(pulled, _find_gaps(pulled, block, tolerance_px))
    pieces = shapely.get_parts(shapely.difference(filled, block)).tolist()
    kept = [piece for piece in pieces if piece.area > 0 and not _is_sliver(piece, outline, block, tolerance_px)]
    if not kept:
        raise BadParameter("Its neighbours cover the whole object; nothing would be left of it.", "objects")
    return as_outline(shapely.MultiPolygon(kept))


def _unite_neighbours(
    outline: shapely.MultiPolygon, neighbours: Sequence[shapely.MultiPolygon], tolerance_px: float
) -> shapely.Geometry:
    """Return what of the neighbours lies around the outline, as one geometry, perhaps empty."""
    margin = REACH * tolerance_px
    left, top, right, bottom = outline.bounds
    around = shapely.box(left - margin, top - margin, right + margin, bottom + margin)
    beside = [
        shapely.intersection(neighbour, around)
        for neighbour in neighbours
        if shapely.dwithin(outline, neighbour, tolerance_px) and not _lies_over(outline, neighbour)
    ]
    return shapely.union_all(beside)


def _lies_over(outline: shapely.MultiPolygon, neighbour: shapely.MultiPolygon) -> bool:
    shared = shapely.intersection(outline, neighbour).area
    return bool(shared > ON_TOP_SHARE * min(outline.area, neighbour.area))


def _pull_border(
    outline: shapely.MultiPolygon, block: shapely.Geometry, tolerance_px: float
) -> shapely.MultiPolygon | shapely.Geometry:
    """Return the outline with its border on that of `block` where the two are near."""
    borders = segments_of(block)
    corners = np.unique(shapely.get_coordinates(borders), axis=0)

    def pull(ring: Points) -> Points:
        moved = _pull_corners(ring, borders, corners, tolerance_px)
        distinct = drop_repeats(moved)
        return _pull_edges(distinct, corners, tolerance_px) if len(distinct) > 2 else moved

    pulled = repair(shapely.MultiPolygon([rebuild(part, pull) for part in outline.geoms]))
    # A small or thin outline may have had all its corners pulled onto one line.
    return pulled if pulled.area >= ON_TOP_SHARE * outline.area else outline


def _pull_corners(ring: Points, borders: Segments, corners: Points, tolerance_px: float) -> Points:
    """Return a ring whose corners are moved to `corners`, else to lines of `borders`, where they are near."""
    spots = shapely.points(ring)
    lines = borders[shapely.STRtree(borders).nearest(spots)]
    on_line = shapely.get_coordinates(shapely.shortest_line(spots, lines)).reshape(-1, 2, 2)[:, 1]
    on_corner = corners[shapely.STRtree(shapely.points(corners)).nearest(spots)]
    at_corner = np.hypot(*(on_corner - ring).T) <= tolerance_px / 2
    distance = np.hypot(*(on_line - ring).T)
    # What lies on the border already stays, though a corner may be near.
    moves = (distance > TOUCHING_PX) & (distance <= tolerance_px)
    goals = np.where(at_corner[:, np.newaxis], on_corner, on_line)
    return np.where(moves[:, np.newaxis], goals, ring)


def _pull_edges(ring: Points, corners: Points, tolerance_px: float) -> Points:
    """Return a ring whose edges go through those `corners` that are near them."""
    edges = np.roll(ring, -1, axis=0) - ring
    lines = shapely.linestrings(np.stack([ring, ring + edges], axis=1))
    spots = shapely.points(corners)
    nearest, distance = shapely.STRtree(lines).query_nearest(
        spots, max_distance=tolerance_px, return_distance=True, all_matches=False
    )
    corner, edge = nearest[:, distance > TOUCHING_PX]
    along = ((corners[corner] - ring[edge]) * edges[edge]).sum(axis=1) / (edges[edge] ** 2).sum(axis=1)
    inside = (along > 0) & (along < 1)
    places = np.append(np.arange(len(ring)), edge[inside] + along[inside])
    everything: Points = np.vstack([ring, corners[corner[inside]]])[np.argsort(places, kind="stable")]
    return everything


def _find_gaps(outline: shapely.Geometry, block: shapely.Geometry, tolerance_px: float) -> shapely.Geometry:
    """Return the areas that outline and `block` enclose together and that are narrower than the tolerance."""
    both = shapely.get_parts(shapely.union(outline, block))
    holes = [shapely.Polygon(ring) for part in both for ring in part.interiors]
    thin = [hole for hole in holes if shapely.buffer(hole, -tolerance_px / 2).is_empty]
    between = shapely.dwithin(thin, outline, TOUCHING_PX) & shapely.dwithin(thin, block, TOUCHING_PX)
    return shapely.union_all(np.array(thin)[between])


def _is_sliver(
    piece: shapely.Polygon, outline: shapely.MultiPolygon, block: shapely.Geometry, tolerance_px: float
) -> bool:
    """Tell whether a piece is a thin rest beside a neighbour, and not what is left of a thin part of the outline."""
    if not shapely.dwithin(piece, block, TOUCHING_PX) or not shapely.buffer(piece, -tolerance_px / 2).is_empty:
        return False
    parts = shapely.get_parts(outline)
    shares = shapely.area(shapely.intersection(parts, piece)) / shapely.area(parts)
    return bool(shares.max() < ON_TOP_SHARE)
