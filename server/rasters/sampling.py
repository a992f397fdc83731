"""Chooses which pixels of a raster speak for all, so that statistics of any raster take bounded time and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from server.rasters.reading import Valid, Values, read_bands

Plane = NDArray[np.generic]
# Longest side of a sample; the standard error of a percentile of a million values is far below one 8-bit step.
MAX_SAMPLE_PX = 1024
# Values held at a time, so that a raster of hundreds of bands needs no more memory than one of three.
MAX_HELD_BYTES = 64 * 2**20
# Without overviews at most this much is decoded, about a second's work.
MAX_READ_BYTES = 256 * 2**20
MIN_CELLS = 64
# A cell is read at once: whole blocks of about this many pixels.
CELL_PX = 512**2
# Steps of the R2 sequence (Roberts 2018), the golden ratio of two dimensions: even whatever the number of columns.
SPREAD = (0.7548776662466927, 0.5698402909980532)


def sample_shape(raster: DatasetReader, max_px: int) -> tuple[int, int]:
    """Return (rows, columns) with the raster's proportions and no side longer than `max_px`."""
    scale = max(1.0, max(raster.width, raster.height) / max_px)
    return max(1, round(raster.height / scale)), max(1, round(raster.width / scale))


def sample_bands(raster: DatasetReader) -> list[Plane]:
    """Return the valid values of every band, at most about a million each.

    All pixels of a small raster; overviews where there are some; else blocks spread evenly over the raster, because
    thinning out would decode every block.
    """
    if max(raster.shape) <= MAX_SAMPLE_PX or raster.overviews(1):
        return _collect(raster, [(None, sample_shape(raster, MAX_SAMPLE_PX))], step=1)
    chosen, rest = plan_cells(raster)
    n_px = sum(cell.width * cell.height for cell in chosen)
    step = (
        max(1, n_px // MAX_SAMPLE_PX**2) | 1
    )  # odd, so that blocks of 512 columns are not sampled along a few of them
    samples = _collect(raster, [(cell, None) for cell in chosen], step)
    if not rest or all(sample.size for sample in samples):
        return samples
    # Data fills only a corner, which the chosen cells missed: then all must be read.
    others = _collect(raster, [(cell, None) for cell in rest], step)
    return [np.concatenate(pair) for pair in zip(samples, others, strict=True)]


def _collect(
    raster: DatasetReader, parts: list[tuple[Window | None, tuple[int, int] | None]], step: int
) -> list[Plane]:
    """Read parts (window, shape) and keep every `step`-th valid value of each band."""
    found: list[list[Plane]] = [[] for _ in raster.indexes]
    for window, shape in parts:
        for index, values, valid in _read_planes(raster, window, shape):
            # A copy, because a view would keep all values of the part in memory.
            found[index - 1].append(values[valid][::step].copy())
    return [np.concatenate(pieces) for pieces in found]


def _read_planes(
    raster: DatasetReader, window: Window | None, shape: tuple[int, int] | None
) -> Iterator[tuple[int, Values, Valid]]:
    """Yield index, values (H, W) and valid (H, W) band by band, reading several at once where they fit."""
    height, width = (window.height, window.width) if window else shape or raster.shape
    n_bands = max(1, MAX_HELD_BYTES // (height * width * np.dtype(raster.dtypes[0]).itemsize))
    for first in range(1, raster.count + 1, n_bands):
        indexes = range(first, min(first + n_bands, raster.count + 1))
        values, valid = read_bands(raster, indexes, window, shape)
        yield from zip(indexes, values, valid, strict=True)


def plan_cells(raster: DatasetReader) -> tuple[list[Window], list[Window]]:
    """Divide a raster along its blocks.

    Returns:
        Cells that speak for all, evenly spread, as many as `MAX_READ_BYTES` allow; and the others. Both in file order,
        because many compressions can only be read forwards.
    """
    block_height, block_width = raster.block_shapes[0]
    width = min(block_width * max(1, math.isqrt(CELL_PX) // block_width), raster.width)
    height = min(block_height * max(1, CELL_PX // (width * block_height)), raster.height)
    rows, cols = range(0, raster.height, height), range(0, raster.width, width)
    cells = [
        Window(col, row, min(width, raster.width - col), min(height, raster.height - row))
        for row in rows
        for col in cols
    ]
    pixel_bytes = sum(np.dtype(dtype).itemsize for dtype in raster.dtypes)
    n_chosen = min(len(cells), max(MIN_CELLS, MAX_READ_BYTES // (height * width * pixel_bytes)))
    # Its fractional parts are evenly spread, so the cells with the smallest are too, in no columns or diagonals.
    places = (0.5 + np.add.outer(np.arange(len(rows)) * SPREAD[0], np.arange(len(cols)) * SPREAD[1])) % 1.0
    picked = set(np.argsort(places, axis=None)[:n_chosen].tolist())
    chosen = [cell for number, cell in enumerate(cells) if number in picked]
    return chosen, [cell for number, cell in enumerate(cells) if number not in picked]
