"""Tiles of rasters without a place on Earth: the raster itself, halved from zoom to zoom."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader
from rasterio.windows import Window

from server.rasters.look import Look
from server.rasters.opening import open_raster
from server.rasters.reading import read_bands
from server.rasters.reduced import open_reduced
from server.rasters.remembered import remembered
from server.rasters.stretch import Picture, draw_bands
from server.rasters.tile_grid import TILE_PX, Labels, Tile


@remembered
def read_size(path: Path) -> tuple[int, int]:
    """Return width and height of a raster in pixels.

    Raises:
        NotARaster: it cannot be read.
    """
    with open_raster(path) as raster:
        return raster.width, raster.height


def full_zoom(width: int, height: int) -> int:
    """Return the pixel-space zoom of full resolution: the raster fits into one tile at zoom 0."""
    return max(0, math.ceil(math.log2(max(width, height) / TILE_PX)))


def draw_pixel_tile(path: Path, tile: Tile, look: Look) -> Picture | None:
    """Return a tile as a picture with where it is valid; None outside the raster."""
    part = _find_part(path, tile)
    if part is None:
        return None
    with open_reduced(path, part.scale) as raster:
        rgb, valid = draw_bands(raster, look.bands, look.stretch, window=part.window_of(raster), shape=part.shape)
    padding = ((0, TILE_PX - part.shape[0]), (0, TILE_PX - part.shape[1]))
    return np.pad(rgb, (*padding, (0, 0))), np.pad(valid, padding)


def read_pixel_labels(path: Path, tile: Tile) -> Labels | None:
    """Return the labels (256, 256) of a tile, 0 outside the raster; None where the tile is wholly outside."""
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


def _find_part(path: Path, tile: Tile) -> _Part | None:
    width, height = read_size(path)
    last = full_zoom(width, height)
    if not tile.is_possible() or tile.zoom > last:
        return None
    scale = 2 ** (last - tile.zoom)
    col, row = tile.x * TILE_PX * scale, tile.y * TILE_PX * scale
    if col >= width or row >= height:
        return None
    side = TILE_PX * scale
    return _Part(Window(col, row, min(side, width - col), min(side, height - row)), (height, width), scale)
