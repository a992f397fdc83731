"""Where the objects of a raster lie: pixels to map, to longitude and latitude, and to square metres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError, ProjError
from rasterio import DatasetReader

from server.rasters.coordinates import Georeference, Points, read_georeference
from server.rasters.opening import open_raster
from server.rasters.remembered import remembered_by_thread
from server.vectors.polygons import as_multipolygon

# Edges are cut to this many pixels before areas are measured, because a long straight edge of a map is no geodesic.
MAX_EDGE_PX = 2.0
# GDAL fits ground control points separately for the way back, which may miss by pixels; each round of correction
# takes most of what is left.
N_CORRECTIONS = 4
WGS84 = "EPSG:4326"
# Between corners as close as `MAX_EDGE_PX` makes them, its straight lines are geodesics for all that areas show. Adding
# up geodesic edges takes ten times as long and loses digits on small objects (1e-5 of a square of 0.3 m).
EQUAL_AREA = "EPSG:6933"
HALF_GLOBE_DEG = 180.0


@dataclass(frozen=True)
class Placement:
    """Coordinates of one raster; every function takes and returns float64 (n, 2) arrays of x, y.

    Attributes:
        georeference: of the raster; None where nothing is known: then map coordinates are pixels.
    """

    georeference: Georeference | None

    @cached_property
    def crs(self) -> CRS | None:
        """The CRS of map coordinates; None where it is unknown."""
        if self.georeference is None or self.georeference.crs is None:
            return None
        return CRS.from_wkt(self.georeference.crs.to_wkt())

    @cached_property
    def _wgs84(self) -> tuple[Transformer, Transformer] | None:
        """Transformers to and from longitude and latitude; None where the CRS is missing or not tied to the Earth."""
        if self.crs is None:
            return None
        try:
            return (
                Transformer.from_crs(self.crs, WGS84, always_xy=True),
                Transformer.from_crs(WGS84, self.crs, always_xy=True),
            )
        except (CRSError, ProjError):
            return None

    @cached_property
    def _equal_area(self) -> Transformer:
        """Transformer from longitude and latitude to a map on which areas are those on the ellipsoid."""
        return Transformer.from_crs(WGS84, EQUAL_AREA, always_xy=True)

    @property
    def is_georeferenced(self) -> bool:
        """Tell whether `to_lonlat` and `from_lonlat` work."""
        return self._wgs84 is not None

    def to_map(self, points: Points) -> Points:
        """Return pixels as map coordinates."""
        return points if self.georeference is None else self.georeference.to_map(points)

    def to_pixel(self, points: Points) -> Points:
        """Return map coordinates as pixels."""
        if self.georeference is None:
            return points
        first = pixels = self.georeference.to_pixel(points)
        for _ in range(N_CORRECTIONS):
            pixels = pixels + first - self.georeference.to_pixel(self.georeference.to_map(pixels))
        return pixels

    def to_lonlat(self, points: Points) -> Points:
        """Return map coordinates as degrees; infinite where the projection has no answer."""
        return _project(self._wgs84[0], points) if self._wgs84 else points

    def from_lonlat(self, points: Points) -> Points:
        """Return degrees as map coordinates; infinite where the projection has no answer."""
        return _project(self._wgs84[1], points) if self._wgs84 else points

    def place(self, outline: shapely.MultiPolygon) -> shapely.MultiPolygon:
        """Return an outline in pixels on the map: valid, outer rings counter-clockwise."""
        placed = shapely.transform(outline, self.to_map)
        if not placed.is_valid:
            placed = as_multipolygon(shapely.make_valid(placed))
        return shapely.orient_polygons(placed)

    def measure_m2(self, outline: shapely.MultiPolygon) -> float | None:
        """Return the geodesic area of an outline in pixels; None where the raster has no place on Earth."""
        if not self.is_georeferenced:
            return None
        dense = shapely.segmentize(outline, MAX_EDGE_PX)
        on_earth = shapely.transform(dense, lambda points: self.to_lonlat(self.to_map(points)))
        if not np.isfinite(shapely.get_coordinates(on_earth)).all():
            return None
        west, _, east, _ = on_earth.bounds
        if west >= -HALF_GLOBE_DEG and east <= HALF_GLOBE_DEG and east - west < HALF_GLOBE_DEG:
            return float(shapely.transform(on_earth, lambda points: _project(self._equal_area, points)).area)
        # It crosses the antimeridian or holds a pole.
        area, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(on_earth))
        return abs(area) if math.isfinite(area) else None


def read_placement(raster: DatasetReader) -> Placement:
    """Return where an open raster lies."""
    return Placement(read_georeference(raster))


@remembered_by_thread
def read_place(path: Path) -> tuple[Placement, tuple[int, int]]:
    """Return where a raster lies, and its width and height.

    Raises:
        NotARaster: the raster cannot be read.
    """
    with open_raster(path) as raster:
        return read_placement(raster), (raster.width, raster.height)


def _project(transformer: Transformer, points: Points) -> Points:
    return np.stack(transformer.transform(points[:, 0], points[:, 1]), axis=1)
