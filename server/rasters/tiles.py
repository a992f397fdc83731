"""Map tiles of georeferenced rasters and pixel-space tiles of all others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.rasters.look import read_look
from server.rasters.map_tiles import draw_map_tile, read_map_labels, read_map_place
from server.rasters.opening import open_raster
from server.rasters.pixel_tiles import draw_pixel_tile, full_zoom, read_pixel_labels, read_size
from server.rasters.preview import SHOW_ALL, LabelFilter, draw_labels, encode_picture
from server.rasters.reading import read_palette
from server.rasters.remembered import remembered
from server.rasters.stretch import StretchMode
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
    place = read_map_place(path)
    if place is not None:
        return common | place.to_tilejson()
    width, height = read_size(path)
    return common | {
        "space": "pixel",
        "minzoom": 0,
        "maxzoom": full_zoom(width, height),
        "width": width,
        "height": height,
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
    look = read_look(path, None if band_indexes is None else tuple(band_indexes), mode)
    tile, place = Tile(zoom, x, y), read_map_place(path)
    picture = draw_pixel_tile(path, tile, look) if place is None else draw_map_tile(path, tile, place, look)
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
    return draw_labels(labels, alpha, _read_label_colours(path))


def _read_labels(path: Path, tile: Tile) -> Labels | None:
    place = read_map_place(path)
    return read_pixel_labels(path, tile) if place is None else read_map_labels(path, tile, place)


@remembered
def _read_label_colours(path: Path) -> NDArray[np.uint8] | None:
    with open_raster(path) as raster:
        return read_palette(raster, (1,))
