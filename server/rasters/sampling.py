"""Chooses which pixels of a raster speak for all, so that statistics of any raster take bounded time and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.windows import Window

from server.rasters.reading import read_band

# Rasters with overviews are read at this size: a million pixels give the 2 % quantile to a tenth of a per cent.
THINNED_SIZE = 1024
# Without overviews at most this much is decoded, about a second's work; beyond that cells are left out evenly.
MAX_READ_BYTES = 256 * 2**20
MIN_CELLS = 64
# What one read takes: a square of this side in a tiled file, strips of as many pixels in a striped one.
CELL_SIDE = 512
# A single strip may be as large as the raster; then a cell is a part of it.
MAX_CELL_PX = 2**22


@dataclass(frozen=True)
class Cells:
    """Whole blocks of a raster to read, in file order.

    Attributes:
        chosen: cells that speak for all, evenly spread.
        others: the rest of the raster.
    """

    chosen: list[Window]
    others: list[Window]


def sample_by_overviews(raster: DatasetReader) -> tuple[int, int] | None:
    """Return the (rows, columns) to thin the raster out to, or None where it is small or without overviews."""
    longest = max(raster.width, raster.height)
    if longest <= THINNED_SIZE or not raster.overviews(1):
        return None
    return tuple(max(1, round(side * THINNED_SIZE / longest)) for side in raster.shape)


def plan_cells(raster: DatasetReader) -> Cells:
    """Divide a raster along its blocks and choose as many cells as `MAX_READ_BYTES` allow."""
    height, width = _cell_shape(raster)
    n_rows, n_cols = math.ceil(raster.height / height), math.ceil(raster.width / width)
    pixel_bytes = sum(np.dtype(dtype).itemsize for dtype in raster.dtypes)
    allowed = max(MIN_CELLS, MAX_READ_BYTES // (height * width * pixel_bytes))
    step = math.ceil(n_rows * n_cols / allowed)
    slant = _slant(step)
    chosen: list[Window] = []
    others: list[Window] = []
    for row in range(n_rows):
        for col in range(n_cols):
            place = _clip(raster, Window(col * width, row * height, width, height))
            (others if (col + slant * row) % step else chosen).append(place)
    return Cells(chosen, others)


def read_cells(
    raster: DatasetReader, cells: list[Window]
) -> Iterator[tuple[int, NDArray[np.generic], NDArray[np.bool_]]]:
    """Yield (band index from 1, values, valid) cell by cell, each as `read_band` returns it."""
    for place in cells:
        for index in raster.indexes:
            yield index, *read_band(raster, index, place)


def _cell_shape(raster: DatasetReader) -> tuple[int, int]:
    """Return (rows, columns) of a cell: whole blocks unless one block is too large."""
    block_height, block_width = raster.block_shapes[0]
    width = min(block_width * max(1, CELL_SIDE // block_width), raster.width)
    height = block_height * max(1, CELL_SIDE**2 // (width * block_height))
    return min(height, max(1, MAX_CELL_PX // width), raster.height), width


def _slant(step: int) -> int:
    """Return by how many columns the choice moves from row to row, so that it forms neither columns nor diagonals."""
    slant = max(1, round(step * 0.618))
    while math.gcd(slant, step) != 1:
        slant += 1
    return slant


def _clip(raster: DatasetReader, place: Window) -> Window:
    return Window(
        place.col_off,
        place.row_off,
        min(place.width, raster.width - place.col_off),
        min(place.height, raster.height - place.row_off),
    )
