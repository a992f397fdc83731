"""Web-Mercator tiles, warped by rio-tiler from the overview that fits."""

from __future__ import annotations

import math
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.transform import from_bounds
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as transform_points
from rio_tiler.errors import NoOverviewWarning
from rio_tiler.io import Reader
from rio_tiler.models import ImageData

from server.rasters.coordinates import read_bounds_wgs84, read_georeference
from server.rasters.look import Look
from server.rasters.opening import open_raster
from server.rasters.reading import expand_palette
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
# rio-tiler warps at the raster's own resolution and then picks pixels. For a raster that is a dot on the tile that can
# mean a thousand million pixels and a minute, so from this reduction on the warp has the tile's resolution.
MAX_PICKED_FACTOR = 8.0


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
    wanted = look.bands if look.alpha is None else (*look.bands, look.alpha)
    image = _warp(path, tile, place, wanted, "nearest" if look.palette is not None else "bilinear")
    if image is None:
        return None
    values, valid = image.array.data[:3], ~np.ma.getmaskarray(image.array)[:3]
    if look.alpha is not None:
        # rio-tiler hides what is half transparent; here only what is fully transparent holds no data.
        valid = np.broadcast_to(image.array.data[-1] > 0, valid.shape) & (valid | (image.alpha_mask is not None))
    if values.dtype.kind == "f":
        valid &= np.isfinite(values)
    if look.palette is None:
        return draw_values(values, valid, look.stretch)
    colours, seen = expand_palette(values[0], valid[0], look.palette)
    return apply_stretch(colours, seen, look.stretch), seen


def read_map_labels(path: Path, tile: Tile, place: MapPlace) -> Labels | None:
    """Return the labels (256, 256) of a tile, 0 outside the raster; None where the tile is wholly outside."""
    image = _warp(path, tile, place, (1,), "nearest")
    return None if image is None else np.ma.filled(image.array[0], 0)


def _warp(path: Path, tile: Tile, place: MapPlace, bands: tuple[int, ...], method: str) -> ImageData | None:
    """Read one Web-Mercator tile; None outside the raster."""
    if not tile.is_possible():
        return None
    # Set at every call, see `quieten_rasterio`: the overview is chosen here, and crops at the poles are right.
    warnings.filterwarnings("ignore", category=NoOverviewWarning)
    warnings.filterwarnings("ignore", "Adjusting dataset latitudes", UserWarning)
    with ExitStack() as closing:
        raster = closing.enter_context(open_reduced(path, 2.0 ** (place.zoom - tile.zoom)))
        if raster.transform.is_identity:
            raster = closing.enter_context(_straighten(raster))
        reader = closing.enter_context(Reader(None, dataset=raster))
        if not reader.tile_exists(tile.x, tile.y, tile.zoom):
            return None
        image: ImageData = reader.tile(
            tile.x,
            tile.y,
            tile.zoom,
            tilesize=TILE_PX,
            indexes=bands,
            reproject_method=method,
            # Bands may have gaps of their own; rasterio's default fills those that not all bands share.
            vrt_options={"warp_mem_limit": WARP_MB, "UNIFIED_SRC_NODATA": "NO", **_tile_frame(raster, tile, place)},
        )
    return image


def _tile_frame(raster: DatasetReader | WarpedVRT, tile: Tile, place: MapPlace) -> dict[str, Any]:
    """Return the options by which a warp has the tile's pixels; none where the raster's own are about as large."""
    opened_px = max(raster.shape)
    if 2.0 ** (place.zoom - tile.zoom) * opened_px / place.longest_px <= MAX_PICKED_FACTOR:
        return {}
    side_m = 2.0 * HALF_SQUARE_M / 2**tile.zoom
    west, north = tile.x * side_m - HALF_SQUARE_M, HALF_SQUARE_M - tile.y * side_m
    frame = from_bounds(west, north - side_m, west + side_m, north, TILE_PX, TILE_PX)
    return {"transform": frame, "width": TILE_PX, "height": TILE_PX}


def _straighten(raster: DatasetReader) -> WarpedVRT:
    """Return a raster placed by ground control points as one placed by a transform."""
    has_own_mask = raster.nodata is not None or ColorInterp.alpha in raster.colorinterp
    return WarpedVRT(raster, src_crs=raster.gcps[1], crs=WEB_MERCATOR, add_alpha=not has_own_mask)
