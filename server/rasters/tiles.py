"""Map tiles of georeferenced rasters and pixel-space tiles of all others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from server.rasters.map_tiles import MapPlace, draw_map_tile, read_map_labels, read_map_place
from server.rasters.opening import open_raster
from server.rasters.pixel_tiles import draw_pixel_tile, full_zoom, read_pixel_labels
from server.rasters.preview import SHOW_ALL, LabelFilter, choose_bands, draw_labels, encode_picture
from server.rasters.reading import read_palette
from server.rasters.stretch import StretchMode, read_stretch
from server.rasters.tile_grid import TILE_PX, Labels, Tile


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
        place = read_map_place(raster)
        if place is not None:
            return common | place.to_tilejson()
        return common | {
            "space": "pixel",
            "minzoom": 0,
            "maxzoom": full_zoom(raster),
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
    tile = Tile(zoom, x, y)
    stretch = read_stretch(path, bands, mode)
    place = _require_place(path)
    if place is None:
        picture = draw_pixel_tile(path, tile, bands, stretch)
    else:
        picture = draw_map_tile(path, tile, place, bands, stretch)
    return encode_picture(*picture) if picture is not None and picture[1].any() else None


def render_label_tile(
    path: Path, zoom: int, x: int, y: int, *, alpha: float = 0.6, shown: LabelFilter = SHOW_ALL
) -> bytes | None:
    """Draw one tile of a label raster; see `render_tile`.

    Args:
        path: the labels.
        zoom: as `read_tilejson` describes.
        x: tiles from the left.
        y: tiles from the top.
        alpha: opacity of objects, 0 to 1.
        shown: what is left out.

    Returns:
        A PNG in RGBA with a transparent background, in the colours of the raster's table or one for each object; None
        where there is no object.

    Raises:
        NotARaster: the labels cannot be read.
    """
    tile = Tile(zoom, x, y)
    labels = _read_labels(path, tile)
    if labels is None:
        return None
    shown.apply(labels, lambda other: _read_labels(other, tile))
    if not labels.any():
        return None
    with open_raster(path) as raster:
        return draw_labels(labels, alpha, read_palette(raster, (1,)))


def _read_labels(path: Path, tile: Tile) -> Labels | None:
    place = _require_place(path)
    return read_pixel_labels(path, tile) if place is None else read_map_labels(path, tile, place)


def _require_place(path: Path) -> MapPlace | None:
    with open_raster(path) as raster:
        return read_map_place(raster)
