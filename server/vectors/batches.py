"""Thousands of outlines at once: their GeoJSON and areas in a few array operations instead of many small ones."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod

from server.rasters.coordinates import Points
from server.vectors.geojson import DIGITS
from server.vectors.outlines import make_feature
from server.vectors.placement import HALF_GLOBE_DEG, Placement
from server.vectors.polygons import as_multipolygon

# The ground covered by a pixel hardly changes within an object of this size; larger ones are measured edge by edge.
MAX_LOCAL_EXTENT_M = 20_000.0
# Longer edges are measured in pieces, because a long straight edge of a map is no geodesic.
MAX_STEP_PX = 32.0
ELLIPSOID = Geod(ellps="WGS84")


def write_geometries(
    outlines: Sequence[shapely.MultiPolygon], placement: Placement, digits: int = DIGITS
) -> list[str | None]:
    """Return outlines in pixels as GeoJSON geometries, text; None where the CRS has no place on Earth for a corner.

    Longitude and latitude, or pixels where the raster has no place on Earth; valid, and a polygon where one suffices.

    Args:
        outlines: in pixels.
        placement: of the raster.
        digits: coordinates are rounded to so many after the point.
    """
    if not outlines:
        return []
    placed = shapely.transform(
        np.array(outlines, dtype=object), lambda points: np.round(_place(points, placement), digits)
    )
    is_plain = _is_plain(placed) if placement.is_georeferenced else np.ones(len(placed), bool)
    repaired = is_plain & ~shapely.is_valid(placed)
    placed[repaired] = [as_multipolygon(geometry) for geometry in shapely.make_valid(placed[repaired])]
    placed = shapely.orient_polygons(placed)
    single = is_plain & (shapely.get_num_geometries(placed) == 1)
    placed[single] = shapely.get_geometry(placed[single], 0)
    texts: list[str | None] = shapely.to_geojson(placed).tolist()
    for index in np.flatnonzero(~is_plain).tolist():
        texts[index] = _write_unusual(outlines[index], placement, digits)
    return texts


def measure_areas(outlines: Sequence[shapely.MultiPolygon], placement: Placement) -> list[float | None]:
    """Return the areas in square metres of outlines in pixels; None where the raster has no place on Earth.

    An object's area in pixels times the ground one pixel covers at its centre; exact in the limit of small objects.
    """
    if not outlines or not placement.is_georeferenced:
        return [None] * len(outlines)
    array = np.array(outlines, dtype=object)
    centres = shapely.get_coordinates(shapely.centroid(array))
    along_x, along_y = _ground_steps(centres, placement)
    areas = shapely.area(array) * np.abs(along_x[:, 0] * along_y[:, 1] - along_x[:, 1] * along_y[:, 0])
    pixel_m = np.maximum(np.hypot(*along_x.T), np.hypot(*along_y.T))
    bounds = shapely.bounds(array)
    extents = (bounds[:, 2:] - bounds[:, :2]).max(axis=1) * pixel_m
    with np.errstate(invalid="ignore"):
        is_local = np.isfinite(areas) & (extents < MAX_LOCAL_EXTENT_M)
    return [
        float(area) if local else placement.measure_m2(outline)
        for outline, area, local in zip(outlines, areas, is_local, strict=True)
    ]


def measure_perimeters(outlines: Sequence[shapely.MultiPolygon], placement: Placement) -> list[float | None]:
    """Return the geodesic lengths, in metres, of all borders of outlines in pixels, those of holes too.

    None where the raster has no place on Earth, or none for a corner.
    """
    if not outlines or not placement.is_georeferenced:
        return [None] * len(outlines)
    parts, outline_of = shapely.get_parts(np.array(outlines, dtype=object), return_index=True)
    rings, part_of = shapely.get_rings(parts, return_index=True)
    points, ring_of = shapely.get_coordinates(shapely.segmentize(rings, MAX_STEP_PX), return_index=True)
    lons, lats = _place(points, placement).T
    goes_on = np.flatnonzero(ring_of[1:] == ring_of[:-1])
    _, _, steps = ELLIPSOID.inv(lons[goes_on], lats[goes_on], lons[goes_on + 1], lats[goes_on + 1])
    lengths = np.bincount(outline_of[part_of[ring_of[goes_on]]], weights=steps, minlength=len(outlines))
    return [float(length) if np.isfinite(length) else None for length in lengths]


def _place(points: Points, placement: Placement) -> Points:
    return placement.to_lonlat(placement.to_map(points)) if placement.is_georeferenced else points


def _is_plain(placed: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tell, (N,), which outlines in degrees have a place on Earth and do not cross the antimeridian."""
    west, _, east, _ = bounds = shapely.bounds(placed).T
    with np.errstate(invalid="ignore"):
        fits: NDArray[np.bool_] = (west >= -HALF_GLOBE_DEG) & (east <= HALF_GLOBE_DEG) & (east - west <= HALF_GLOBE_DEG)
    fits &= np.isfinite(bounds).all(axis=0)
    return fits


def _write_unusual(outline: shapely.MultiPolygon, placement: Placement, digits: int) -> str | None:
    """Return the geometry of an outline that crosses the antimeridian or has no place on Earth."""
    geometry = make_feature(outline, placement, {}, digits)["geometry"]
    return None if geometry is None else json.dumps(geometry)


def _ground_steps(pixels: Points, placement: Placement) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return metres east and north that one pixel to the right and one pixel down cover, two (N, 2)."""
    half = 0.5
    steps = []
    for step in ((half, 0.0), (0.0, half)):
        after, before = (placement.to_lonlat(placement.to_map(pixels + sign * np.array(step))) for sign in (1, -1))
        middle = np.radians((after[:, 1] + before[:, 1]) / 2)
        curve = np.sqrt(1 - ELLIPSOID.es * np.sin(middle) ** 2)
        east = (after[:, 0] - before[:, 0] + HALF_GLOBE_DEG) % 360 - HALF_GLOBE_DEG
        east_m = np.radians(east) * ELLIPSOID.a / curve * np.cos(middle)
        north_m = np.radians(after[:, 1] - before[:, 1]) * ELLIPSOID.a * (1 - ELLIPSOID.es) / curve**3
        steps.append(np.stack([east_m, north_m], axis=1))
    return steps[0], steps[1]
