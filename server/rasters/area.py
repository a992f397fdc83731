"""An area of interest: a polygon on the map, drawn into any window of a raster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.errors import ShapelyError
from shapely.geometry import shape as parse_geometry

from server.errors import BadParameter
from server.rasters.coordinates import WGS84, Points, project, read_georeference
from server.rasters.opening import open_raster
from server.rasters.windows import PixelWindow

FIELD = "area"


@dataclass(frozen=True)
class Area:
    """A polygon or several.

    Attributes:
        outline: in pixels of the raster, x to the right and y down from its upper left corner.
    """

    outline: shapely.Geometry

    def draw(self, window: PixelWindow, shape: tuple[int, int] | None = None) -> NDArray[np.bool_]:
        """Return bool `shape` (rows, columns): True where a pixel's centre lies inside; None means the window's own."""
        rows, cols = shape or (window.height, window.width)
        to_raster = Affine.translation(window.col, window.row) @ Affine.scale(window.width / cols, window.height / rows)
        drawn = rasterize([self.outline], (rows, cols), transform=to_raster, dtype="uint8")
        return np.asarray(drawn, dtype=np.bool_)


def read_area(path: Path, geometry: Mapping[str, Any]) -> Area:
    """Return the area that a GeoJSON geometry outlines on a raster.

    Args:
        path: the raster.
        geometry: a Polygon or MultiPolygon in longitude and latitude; where the raster has no coordinate reference
            system, in the coordinates of its transform, or in pixels without one.

    Raises:
        BadParameter: it is no polygon, is empty, cannot be placed, or lies outside the raster.
    """
    outline = _parse(geometry)
    with open_raster(path) as raster:
        place = read_georeference(raster)
        extent = shapely.box(0, 0, raster.width, raster.height)
    if place is not None and place.crs is not None:
        crs = place.crs
        outline = _carry(outline, lambda points: project(WGS84, crs, points))
    if place is not None:
        outline = _carry(outline, place.to_pixel)
    outline = shapely.make_valid(outline)
    if not outline.intersects(extent):
        raise BadParameter("The area does not touch the raster.", FIELD)
    return Area(outline)


def _parse(geometry: Mapping[str, Any]) -> shapely.Geometry:
    found = str(geometry.get("type"))[:40]
    if found not in ("Polygon", "MultiPolygon"):
        raise BadParameter(f"The area is a {found}; expected a GeoJSON Polygon or MultiPolygon.", FIELD)
    try:
        outline = parse_geometry(dict(geometry))
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise BadParameter(f"The area is not a readable GeoJSON {found}: {error}.", FIELD) from error
    if outline.is_empty or not np.isfinite(shapely.get_coordinates(outline)).all():
        raise BadParameter("The area is empty or has coordinates that are not numbers.", FIELD)
    return outline


def _carry(outline: shapely.Geometry, move: Callable[[Points], Points | None]) -> shapely.Geometry:
    moved = move(np.asarray(shapely.get_coordinates(outline)[:, :2], dtype=np.float64))
    if moved is None or not np.isfinite(moved).all():
        raise BadParameter("The area cannot be expressed in the raster's coordinates.", FIELD)
    return shapely.set_coordinates(shapely.force_2d(outline), moved)
