"""Polygons and lines that a request brings as GeoJSON, checked and turned into pixels of the raster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from shapely.errors import ShapelyError

from server.errors import BadParameter
from server.rasters.coordinates import Points
from server.vectors.placement import Placement

POLYGONS = ("Polygon", "MultiPolygon")
MIN_LINE_POINTS = 2


def read_polygon(geometry: Mapping[str, Any], placement: Placement, field: str) -> shapely.Geometry:
    """Return a GeoJSON Polygon or MultiPolygon in pixels of the raster; it may still cross itself.

    Args:
        geometry: in longitude and latitude, or pixels where the raster has no place on Earth.
        placement: of the raster.
        field: of the request that brought it, for the sentence.

    Raises:
        BadParameter: it is something else, broken, or has no place on the raster's map.
    """
    kind = geometry.get("type")
    if kind not in POLYGONS:
        raise BadParameter(f"The geometry is {str(kind)[:40]!r}; give a GeoJSON Polygon or MultiPolygon.", field)
    try:
        shape = shapely.geometry.shape(geometry)
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise BadParameter(
            "The geometry's coordinates are not those of a polygon; expected rings of at least four [x, y].", field
        ) from error
    return shapely.transform(shape, lambda points: _to_pixels(points, placement, field))


def read_line(points: Sequence[Sequence[float]], placement: Placement, field: str) -> Points:
    """Return [x, y] pairs in pixels of the raster, float64 (N, 2); see `read_polygon` for the space.

    Raises:
        BadParameter: there are fewer than two points, or one has no place on the raster's map.
    """
    if len(points) < MIN_LINE_POINTS:
        raise BadParameter(f"The line has {len(points)} points; give two or more [x, y].", field)
    return _to_pixels(np.asarray(points, dtype=np.float64), placement, field)


def _to_pixels(points: Points, placement: Placement, field: str) -> Points:
    on_map = placement.from_lonlat(points) if placement.is_georeferenced else points
    if not np.isfinite(on_map).all():
        raise BadParameter(
            "A corner has no place in the raster's coordinate reference system; give longitude, latitude in degrees.",
            field,
        )
    return placement.to_pixel(on_map) if placement.is_georeferenced else on_map
