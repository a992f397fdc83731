"""Web-Mercator tiles, warped by GDAL from the overview that fits."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as transform_points

from server.rasters.coordinates import read_bounds_wgs84, read_georeference
from server.rasters.look import Look
from server.rasters.opening import open_raster
from server.rasters.reading import Valid, Values, expand_palette, find_alpha
from server.rasters.reduced import open_reduced
from server.rasters.remembered import remembered
from server.rasters.stretch import Picture, apply_stretch, draw_values
from server.rasters.tile_grid import MAX_ZOOM, TILE_PX, Labels, Tile

WEB_MERCATOR = CRS.from_epsg(3857)
# Half the width of the Web-Mercator square in metres and the latitude where it ends.
HALF_SQUARE_M = 20_037_508.342789244
MAX_LATITUDE = 85.0511287798066
# Memory of one warp, GDAL's own default.
WARP_MB = 64
# Of the opacity that a warp computes, 0 to 255: from half on, most of a tile's pixel lies on valid ground.
LEAST_OPACITY = 128


@dataclass(frozen=True)
class MapPlace:
    """Where a georeferenced raster lies.

    Attributes:
        bounds: west, south, east, north; west > east across the antimeridian.
        zoom: at which one raster pixel is one tile pixel, not rounded.
        longest_px: longer side of the raster.
    """

    bounds: tuple[float, float, float, float]
    zoom: float
    longest_px: int

    def touches(self, tile: Tile) -> bool:
        """Tell whether a tile may show something of the raster."""
        n_tiles = 2**tile.zoom
        left, right = (360.0 * x / n_tiles - 180.0 for x in (tile.x, tile.x + 1))
        top, bottom = (_latitude(1.0 - 2.0 * y / n_tiles) for y in (tile.y, tile.y + 1))
        west, south, east, north = self.bounds
        spans = [(west, 180.0), (-180.0, east)] if west > east else [(west, east)]
        return bottom < north and top > south and any(left < last and right > first for first, last in spans)

    def to_tilejson(self) -> dict[str, object]:
        """Return the part of a TileJSON that depends on the place."""
        west, south, east, north = self.bounds
        # TileJSON has no bounds across the antimeridian, and Web Mercator none of the longitudes beyond 180 degrees.
        left, right = (-180.0, 180.0) if west > east else (max(west, -180.0), min(east, 180.0))
        lon = (west + east + (360.0 if west > east else 0.0)) / 2.0
        maxzoom = min(MAX_ZOOM, max(0, math.ceil(self.zoom - 0.01)))
        minzoom = min(maxzoom, max(0, math.floor(self.zoom - math.log2(max(self.longest_px / TILE_PX, 1.0)))))
        return {
            "space": "map",
            "minzoom": minzoom,
            "maxzoom": maxzoom,
            "bounds": [left, south, right, north],
            "center": [lon - 360.0 if lon > 180.0 else lon, (south + north) / 2.0, minzoom],
        }


@remembered
def read_map_place(path: Path) -> MapPlace | None:
    """Return where a raster lies on the Web-Mercator map, None where it has no place there.

    Raises:
        NotARaster: the raster cannot be read.
    """
    with open_raster(path) as raster:
        return _find_place(raster)


def _find_place(raster: DatasetReader) -> MapPlace | None:
    bounds, place = read_bounds_wgs84(raster), read_georeference(raster)
    if bounds is None or place is None or place.crs is None:
        return None
    west, south, east, north = bounds
    south, north = max(south, -MAX_LATITUDE), min(north, MAX_LATITUDE)
    if not south < north or west >= 180.0 or east <= -180.0:
        return None
    centre = np.array([raster.width / 2.0, raster.height / 2.0])
    on_map = place.to_map(centre + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    xs, ys = transform_points(place.crs, WEB_MERCATOR, on_map[:, 0], on_map[:, 1])
    metres = math.sqrt(abs((xs[1] - xs[0]) * (ys[2] - ys[0]) - (xs[2] - xs[0]) * (ys[1] - ys[0])))
    if not math.isfinite(metres) or metres <= 0.0:
        return None
    zoom = math.log2(2.0 * HALF_SQUARE_M / TILE_PX / metres)
    return MapPlace((west, south, east, north), zoom, max(raster.width, raster.height))


def draw_map_tile(path: Path, tile: Tile, place: MapPlace, look: Look) -> Picture | None:
    """Return a tile as a picture with where it is valid; None outside the raster."""
    warped = _warp(path, tile, place, look.bands, Resampling.bilinear if look.palette is None else Resampling.nearest)
    if warped is None:
        return None
    values, valid = warped
    if values.dtype.kind == "f":
        valid = valid & np.isfinite(values)
    if look.palette is None:
        return draw_values(values, valid, look.stretch)
    colours, seen = expand_palette(values[0], valid[0], look.palette)
    return apply_stretch(colours, seen, look.stretch), seen


def read_map_labels(path: Path, tile: Tile, place: MapPlace) -> Labels | None:
    """Return the labels (256, 256) of a tile, 0 outside the raster; None where the tile is wholly outside."""
    warped = _warp(path, tile, place, (1,), Resampling.nearest)
    return None if warped is None else np.where(warped[1][0], warped[0][0], 0)


def _warp(
    path: Path, tile: Tile, place: MapPlace, bands: tuple[int, ...], resampling: Resampling
) -> tuple[Values, Valid] | None:
    """Return values (C, 256, 256) of one Web-Mercator tile and where each band holds data; None outside the raster."""
    if not tile.is_possible() or not place.touches(tile):
        return None
    with ExitStack() as closing:
        raster = closing.enter_context(open_reduced(path, 2.0 ** (place.zoom - tile.zoom)))
        # What an alpha band of its own half hides is there; of opacity that a warp computes, half is a border.
        least_opacity = LEAST_OPACITY if find_alpha(raster) is None else 1
        if raster.transform.is_identity:
            raster = closing.enter_context(_straighten(raster))
        warped = closing.enter_context(
            WarpedVRT(
                raster,
                crs=WEB_MERCATOR,
                transform=_tile_transform(tile),
                width=TILE_PX,
                height=TILE_PX,
                resampling=resampling,
                add_alpha=_hides_gaps(raster),
                warp_mem_limit=WARP_MB,
                # Bands may have gaps of their own; rasterio's default fills those that not all bands share.
                UNIFIED_SRC_NODATA="NO",
            )
        )
        alpha = find_alpha(warped)
        read = warped.read(bands if alpha is None else (*bands, alpha), masked=raster.nodata is not None)
    values, valid = np.ma.getdata(read), ~np.ma.getmaskarray(read)
    if alpha is None:
        return values, valid
    return values[:-1], valid[:-1] & (values[-1] >= least_opacity)


def _hides_gaps(raster: DatasetReader | WarpedVRT) -> bool:
    """Tell whether neither a value nor a band of the raster says where there is no data, so that a warp has to."""
    return raster.nodata is None and find_alpha(raster) is None


def _straighten(raster: DatasetReader) -> WarpedVRT:
    """Return a raster placed by ground control points as one placed by a transform."""
    return WarpedVRT(raster, src_crs=raster.gcps[1], crs=WEB_MERCATOR, add_alpha=_hides_gaps(raster))


def _tile_transform(tile: Tile) -> Affine:
    """Return the transform from pixels of a tile to metres of Web Mercator."""
    side_m = 2.0 * HALF_SQUARE_M / 2**tile.zoom
    west, north = tile.x * side_m - HALF_SQUARE_M, HALF_SQUARE_M - tile.y * side_m
    return Affine(side_m / TILE_PX, 0.0, west, 0.0, -side_m / TILE_PX, north)


def _latitude(share: float) -> float:
    """Return the latitude in degrees of a place on the Web-Mercator square, -1 at its lower and 1 at its upper edge."""
    return math.degrees(math.atan(math.sinh(math.pi * share)))
