"""Takes away corners that hardly matter."""

from __future__ import annotations

import shapely

from server.vectors.editing.checking import as_outline, check_tolerance, segments_of

# Of the tolerance, what is tried in turn: GEOS also removes the corner a ring begins with, and what it had removed
# beside that one may then be up to twice as far away as was asked.
SHARES = (1.0, 0.5, 0.25)
ROUNDING = 1 + 1e-9


def simplify(outline: shapely.MultiPolygon, tolerance_px: float) -> shapely.MultiPolygon:
    """Return an outline with fewer corners (Douglas and Peucker), none of them new.

    Args:
        outline: pixels of the raster.
        tolerance_px: the new border is nowhere farther from the old one, and the other way round.

    Returns:
        As many parts and holes as before: rings keep at least three corners and do not begin to cross.

    Raises:
        BadParameter: the tolerance is out of range.
    """
    check_tolerance(tolerance_px)
    for share in SHARES:
        simple = shapely.MultiPolygon([simplify_polygon(part, tolerance_px * share) for part in outline.geoms])
        if simple.is_valid:
            return as_outline(simple)
    return as_outline(outline)  # parts lie so close that only together they are what they are


def simplify_polygon(polygon: shapely.Polygon, tolerance_px: float) -> shapely.Polygon:
    """Return a polygon as `simplify` does a part; `polygon` itself where nothing simpler is near enough."""
    for share in SHARES:
        simple = shapely.simplify(polygon, tolerance_px * share)
        if simple.is_valid and _is_near(polygon, simple, tolerance_px):
            return simple
    return polygon


def _is_near(polygon: shapely.Polygon, simple: shapely.Polygon, tolerance_px: float) -> bool:
    """Tell whether each corner of `polygon` is near the border of `simple`, so that all between them is as well."""
    corners = shapely.points(shapely.get_coordinates(polygon))
    borders = shapely.STRtree(segments_of(simple))
    near = borders.query_nearest(corners, max_distance=tolerance_px * ROUNDING, all_matches=False)
    return bool(near.shape[1] == len(corners))
