"""Where pixels lie on Earth: by the raster's transform, its ground control points or its rational polynomials."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.rpc import RPC
from rasterio.transform import GCPTransformer, RPCTransformer
from rasterio.warp import transform as transform_points
from rasterio.warp import transform_bounds

from server.errors import BadParameter, WrongMoment
from server.rasters.opening import GDAL_ERRORS, open_raster

WGS84 = CRS.from_epsg(4326)
Bounds = tuple[float, float, float, float]
Points = NDArray[np.float64]
# Points per edge when bounds are carried into another CRS, where straight edges bend.
EDGE_POINTS = 21
# Ground control points that fix an affine transform.
MIN_GCPS = 3
# The way from a pixel to the ground is found step by step until it is this good.
RPC_ERROR_PX = 0.001
# No CRS of the Earth has coordinates this large, not even in millimetres; GDAL goes once around the globe after the
# other to bring longitudes back from where damaged transforms put them, for minutes.
MAX_MAP_COORDINATE = 1e12


@dataclass(frozen=True)
class Georeference:
    """How pixels of one raster relate to map coordinates.

    Attributes:
        crs: of the map coordinates, None where unknown.
        to_map: (n, 2) pixel x, y to map coordinates; pixel 0, 0 is the upper left corner of the upper left pixel.
        to_pixel: the way back.
    """

    crs: CRS | None
    to_map: Callable[[Points], Points]
    to_pixel: Callable[[Points], Points]


def read_georeference(raster: DatasetReader) -> Georeference | None:
    """Return how pixels of an open raster relate to a map, None where nothing is known.

    GDAL calls an absent transform the identity, which is why an identity counts as absent here.
    """
    if not raster.transform.is_identity and raster.transform.determinant != 0:
        return _from_affine(raster.crs, raster.transform)
    gcps, crs = raster.gcps
    return _from_gcps(crs, gcps) if len(gcps) >= MIN_GCPS else None


def _from_affine(crs: CRS | None, there: Affine) -> Georeference:
    back = ~there
    return Georeference(crs or None, lambda points: _apply(there, points), lambda points: _apply(back, points))


def _apply(transform: Affine, points: Points) -> Points:
    matrix = np.array([[transform.a, transform.b], [transform.d, transform.e]])
    moved: Points = points @ matrix.T + np.array([transform.c, transform.f])
    return moved


def _from_gcps(crs: CRS | None, gcps: list[GroundControlPoint]) -> Georeference | None:
    try:
        fitted = GCPTransformer(gcps)
    except (*GDAL_ERRORS, ValueError):  # for example all points on one line
        return None

    return _from_transformer(crs, fitted)


def _from_transformer(crs: CRS | None, fitted: GCPTransformer | RPCTransformer) -> Georeference:
    def to_map(points: Points) -> Points:
        # rasterio counts rows first and would add half a pixel; offset "ul" means the coordinates as they are.
        return np.stack(fitted.xy(points[:, 1], points[:, 0], offset="ul"), axis=1)

    def to_pixel(points: Points) -> Points:
        rows, cols = fitted.rowcol(points[:, 0], points[:, 1], op=lambda value: value)
        return np.stack([cols, rows], axis=1)

    return Georeference(crs or None, to_map, to_pixel)


def read_bounds(raster: DatasetReader) -> Bounds | None:
    """Return left, bottom, right, top in the raster's CRS around all four edges, None without georeferencing."""
    place = read_georeference(raster)
    if place is None:
        return None
    edge = np.linspace(0.0, 1.0, EDGE_POINTS)
    near, far = np.zeros_like(edge), np.ones_like(edge)
    xs = np.concatenate([edge, edge, near, far]) * raster.width
    ys = np.concatenate([near, far, edge, edge]) * raster.height
    on_map = place.to_map(np.stack([xs, ys], axis=1))
    if not np.isfinite(on_map).all():
        return None
    (left, bottom), (right, top) = on_map.min(axis=0).tolist(), on_map.max(axis=0).tolist()
    return left, bottom, right, top


def read_bounds_wgs84(raster: DatasetReader) -> Bounds | None:
    """Return west, south, east, north in degrees, None where the raster has no place on Earth.

    A raster across the antimeridian has west > east, as GeoJSON does.
    """
    place, bounds = read_georeference(raster), read_bounds(raster)
    if place is None or place.crs is None or bounds is None or max(map(abs, bounds)) > MAX_MAP_COORDINATE:
        return None
    try:
        west, south, east, north = transform_bounds(place.crs, WGS84, *bounds, densify_pts=EDGE_POINTS)
    except (*GDAL_ERRORS, ValueError):  # local CRS, or outside the projection's domain
        return None
    if not all(map(math.isfinite, (west, south, east, north))) or not -90.1 <= south <= north <= 90.1:
        return None
    return west, south, east, north


def to_pixel(path: Path, lon: float, lat: float) -> tuple[float, float]:
    """Return the pixel coordinates of a place in degrees.

    Returns:
        x to the right and y down from the upper left corner of the raster; may lie outside it.

    Raises:
        WrongMoment: the raster has no place on Earth.
        BadParameter: the place has no answer in the raster's CRS.
    """
    place, crs = _require_place(path)
    on_map = project(WGS84, crs, np.array([[lon, lat]], dtype=np.float64))
    pixel = None if on_map is None else place.to_pixel(on_map)
    if pixel is None or not np.isfinite(pixel).all():
        raise BadParameter(f"Longitude {lon}, latitude {lat} cannot be expressed in the raster's CRS.", "points")
    return _as_pair(pixel)


def to_lonlat(path: Path, x: float, y: float) -> tuple[float, float]:
    """Return longitude and latitude in degrees of pixel coordinates, the inverse of `to_pixel`.

    Raises:
        WrongMoment: the raster has no place on Earth.
        BadParameter: the raster's CRS has no place there.
    """
    place, crs = _require_place(path)
    degrees = project(crs, WGS84, place.to_map(np.array([[x, y]], dtype=np.float64)))
    if degrees is None:
        raise BadParameter(f"Pixel {x}, {y} has no place on Earth in the raster's CRS.", "points")
    return _as_pair(degrees)


def _require_place(path: Path) -> tuple[Georeference, CRS]:
    with open_raster(path) as raster:
        place = read_georeference(raster)
        if (place is None or place.crs is None) and raster.rpcs is not None:
            place = _from_rpcs(raster.rpcs)
    if place is None or place.crs is None:
        raise WrongMoment(
            "The raster has no place on Earth; use pixel coordinates, or upload a world file and a .prj first.", "space"
        )
    return place, place.crs


def _from_rpcs(rpcs: RPC) -> Georeference:
    """Place pixels by rational polynomials, all at the polynomials' mean height because no terrain is known."""
    transformer = RPCTransformer(rpcs, RPC_HEIGHT=rpcs.height_off, RPC_PIXEL_ERROR_THRESHOLD=RPC_ERROR_PX)
    return _from_transformer(WGS84, transformer)


def project(source: CRS, target: CRS, points: Points) -> Points | None:
    """Carry (n, 2) points of x, y or longitude, latitude from one CRS into another; None where one has no answer."""
    if not (np.abs(points) <= MAX_MAP_COORDINATE).all():
        return None
    try:
        xs, ys = transform_points(source, target, points[:, 0], points[:, 1])
    except GDAL_ERRORS:  # outside the projection's domain
        return None
    projected = np.stack([xs, ys], axis=1).astype(np.float64)
    return projected if np.isfinite(projected).all() else None


def _as_pair(points: Points) -> tuple[float, float]:
    x, y = points[0].tolist()
    return x, y
