"""Map tiles of georeferenced rasters and pixel-space tiles of all others."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as transform_points
from rasterio.windows import Window
from rio_tiler.errors import NoOverviewWarning
from rio_tiler.io import Reader
from rio_tiler.models import ImageData

from server.rasters.coordinates import read_bounds_wgs84, read_georeference
from server.rasters.opening import open_raster
from server.rasters.preview import choose_bands, draw_labels, encode_png
from server.rasters.reading import expand_palette, find_alpha, read_bands, read_palette
from server.rasters.reduced import open_reduced
from server.rasters.stretch import Stretch, StretchMode, apply_stretch, draw_bands, draw_values, read_stretch

TILE_PX = 256
# rio-tiler's grid ends here, where a pixel is 9 mm; pixel-space tiles of any allowed raster need fewer zooms.
MAX_ZOOM = 24
# Memory of one warp, GDAL's own default.
WARP_MB = 64
WEB_MERCATOR = CRS.from_epsg(3857)
# Half the width of the Web-Mercator square in metres and the latitude where it ends.
HALF_SQUARE_M = 20_037_508.342789244
MAX_LATITUDE = 85.0511287798066


def read_tilejson(path: Path, tile_url: str) -> dict[str, object]:
    """Describe the tiles of a raster.

    Args:
        path: the raster.
        tile_url: URL with the placeholders {z}, {x} and {y}.

    Returns:
        TileJSON 3.0.0 plus `space`. "map": Web-Mercator tiles with `bounds` west, south, east, north and `center` lon,
        lat, zoom. "pixel": the raster from its upper left corner, `width` x `height` pixels at zoom `maxzoom`, half as
        many per zoom below.

    Raises:
        NotARaster: the raster cannot be read.
    """
    common: dict[str, object] = {"tilejson": "3.0.0", "tiles": [tile_url]}
    with open_raster(path) as raster:
        place = _read_map_place(raster)
        if place is not None:
            return common | place.to_tilejson()
        return common | {
            "space": "pixel",
            "minzoom": 0,
            "maxzoom": _full_zoom(raster),
            "width": raster.width,
            "height": raster.height,
            "tile_size": TILE_PX,
        }


def render_tile(
    path: Path,
    zoom: int,
    x: int,
    y: int,
    *,
    band_indexes: Sequence[int] | None = None,
    mode: StretchMode = "percentile",
) -> bytes | None:
    """Draw one tile of 256 x 256 pixels.

    Args:
        path: the raster.
        zoom: as `read_tilejson` describes.
        x: tiles from the left.
        y: tiles from the top.
        band_indexes: bands shown as red, green and blue, counted from 1; None chooses.
        mode: of the stretch, which is the same for all tiles.

    Returns:
        A PNG in RGBA; None outside the raster and where no pixel holds data.

    Raises:
        BadParameter: a band is out of range.
        NotARaster: the raster cannot be read.
    """
    bands = choose_bands(path, band_indexes)
    tile = _Tile(zoom, x, y)
    stretch = read_stretch(path, bands, mode)
    place = _require_place(path)
    if place is None:
        return _render_pixel_tile(path, tile, bands, stretch)
    return _render_map_tile(path, tile, place, bands, stretch)


def render_label_tile(path: Path, zoom: int, x: int, y: int, *, alpha: float = 0.6) -> bytes | None:
    """Draw one tile of a label raster; see `render_tile`.

    Args:
        path: the labels.
        zoom: as `read_tilejson` describes.
        x: tiles from the left.
        y: tiles from the top.
        alpha: opacity of objects, 0 to 1.

    Returns:
        A PNG in RGBA with a transparent background; None where there is no object.

    Raises:
        NotARaster: the labels cannot be read.
    """
    tile, place = _Tile(zoom, x, y), _require_place(path)
    if place is None:
        labels = _read_pixel_labels(path, tile)
    else:
        image = _warp_tile(path, tile, place, (1,), "nearest")
        labels = None if image is None else np.ma.filled(image.array[0], 0)
    return draw_labels(labels, alpha) if labels is not None and labels.any() else None


@dataclass(frozen=True)
class _Tile:
    zoom: int
    x: int
    y: int

    def is_possible(self) -> bool:
        """Tell whether the tile lies on the grid of its zoom; grids end at MAX_ZOOM."""
        return 0 <= self.zoom <= MAX_ZOOM and 0 <= self.x < 2**self.zoom and 0 <= self.y < 2**self.zoom


@dataclass(frozen=True)
class _MapPlace:
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
        west, south, east, north = self.bounds
        # TileJSON has no bounds across the antimeridian, and Web Mercator none of the longitudes beyond 180 degrees.
        lon = (west + east + (360.0 if west > east else 0.0)) / 2.0
        maxzoom = min(MAX_ZOOM, max(0, math.ceil(self.zoom - 0.01)))
        minzoom = min(maxzoom, max(0, math.floor(self.zoom - math.log2(max(self.longest_px / TILE_PX, 1.0)))))
        return {
            "space": "map",
            "minzoom": minzoom,
            "maxzoom": maxzoom,
            "bounds": [-180.0, south, 180.0, north]
            if west > east
            else [max(west, -180.0), south, min(east, 180.0), north],
            "center": [lon - 360.0 if lon > 180.0 else lon, (south + north) / 2.0, minzoom],
        }


def _require_place(path: Path) -> _MapPlace | None:
    with open_raster(path) as raster:
        return _read_map_place(raster)


def _read_map_place(raster: DatasetReader) -> _MapPlace | None:
    """Return where an open raster lies on the Web-Mercator map, None where it has no place there."""
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
    return _MapPlace((west, south, east, north), zoom, max(raster.width, raster.height))


def _render_map_tile(
    path: Path, tile: _Tile, place: _MapPlace, bands: tuple[int, ...], stretch: Stretch
) -> bytes | None:
    with open_raster(path) as raster:
        palette, alpha = read_palette(raster, bands), find_alpha(raster)
    wanted = bands if alpha is None else (*bands, alpha)
    image = _warp_tile(path, tile, place, wanted, "nearest" if palette is not None else "bilinear")
    if image is None:
        return None
    values, valid = image.array.data[: len(bands)], ~np.ma.getmaskarray(image.array)[: len(bands)]
    if alpha is not None:
        # rio-tiler hides what is half transparent; here only what is fully transparent holds no data.
        valid = np.broadcast_to(image.array.data[-1] > 0, valid.shape) & (valid | (image.alpha_mask is not None))
    if values.dtype.kind == "f":
        valid &= np.isfinite(values)
    if palette is None:
        return _encode(*draw_values(values, valid, stretch))
    colours, seen = expand_palette(values[0], valid[0], palette)
    return _encode(apply_stretch(colours, seen, stretch), seen)


def _warp_tile(path: Path, tile: _Tile, place: _MapPlace, bands: tuple[int, ...], method: str) -> ImageData | None:
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
        return reader.tile(
            tile.x,
            tile.y,
            tile.zoom,
            tilesize=TILE_PX,
            indexes=bands,
            reproject_method=method,
            # Bands may have gaps of their own; rasterio's default fills those that not all bands share.
            vrt_options={"warp_mem_limit": WARP_MB, "UNIFIED_SRC_NODATA": "NO"},
        )


def _straighten(raster: DatasetReader) -> WarpedVRT:
    """Return a raster placed by ground control points as one placed by a transform."""
    has_own_mask = raster.nodata is not None or ColorInterp.alpha in raster.colorinterp
    return WarpedVRT(raster, src_crs=raster.gcps[1], crs=WEB_MERCATOR, add_alpha=not has_own_mask)


def _full_zoom(raster: DatasetReader) -> int:
    """Return the pixel-space zoom of full resolution: the raster fits into one tile at zoom 0."""
    return max(0, math.ceil(math.log2(max(raster.width, raster.height) / TILE_PX)))


def _render_pixel_tile(path: Path, tile: _Tile, bands: tuple[int, ...], stretch: Stretch) -> bytes | None:
    part = _find_part(path, tile)
    if part is None:
        return None
    with open_reduced(path, part.scale) as raster:
        rgb, valid = draw_bands(raster, bands, stretch, window=part.window_of(raster), shape=part.shape)
    padding = ((0, TILE_PX - part.shape[0]), (0, TILE_PX - part.shape[1]))
    return _encode(np.pad(rgb, (*padding, (0, 0))), np.pad(valid, padding))


def _read_pixel_labels(path: Path, tile: _Tile) -> NDArray[np.integer] | None:
    part = _find_part(path, tile)
    if part is None:
        return None
    with open_reduced(path, part.scale) as raster:
        values, _ = read_bands(raster, (1,), part.window_of(raster), part.shape)
    return np.pad(values[0], ((0, TILE_PX - part.shape[0]), (0, TILE_PX - part.shape[1])))


@dataclass(frozen=True)
class _Part:
    """What a pixel-space tile shows.

    Attributes:
        window: in full-resolution pixels.
        full: (rows, columns) of the raster.
        scale: full-resolution pixels per tile pixel.
    """

    window: Window
    full: tuple[int, int]
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the tile that the raster covers."""
        return math.ceil(self.window.height / self.scale), math.ceil(self.window.width / self.scale)

    def window_of(self, raster: DatasetReader) -> Window:
        """Return the window in the pixels of an overview."""
        down, across = raster.height / self.full[0], raster.width / self.full[1]
        col, row = self.window.col_off * across, self.window.row_off * down
        return Window(col, row, self.window.width * across, self.window.height * down)


def _find_part(path: Path, tile: _Tile) -> _Part | None:
    with open_raster(path) as raster:
        width, height, full_zoom = raster.width, raster.height, _full_zoom(raster)
    if not tile.is_possible() or tile.zoom > full_zoom:
        return None
    scale = 2 ** (full_zoom - tile.zoom)
    col, row = tile.x * TILE_PX * scale, tile.y * TILE_PX * scale
    if col >= width or row >= height:
        return None
    side = TILE_PX * scale
    return _Part(Window(col, row, min(side, width - col), min(side, height - row)), (height, width), scale)


def _encode(rgb: NDArray[np.uint8], valid: NDArray[np.bool_]) -> bytes | None:
    return encode_png(rgb, np.where(valid, 255, 0).astype(np.uint8)) if valid.any() else None
