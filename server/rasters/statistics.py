"""Per-band statistics from at most about a million pixels, kept beside stored rasters."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from server.rasters.formats import STORED_STEM
from server.rasters.opening import open_raster
from server.rasters.reading import read_bands
from server.rasters.reduced import open_reduced
from server.rasters.side_files import FileState, read_state

# Longest side of the sample; the standard error of a percentile of a million values is far below one 8-bit step.
MAX_SAMPLE_PX = 1024
# Values held at a time, so that a raster of hundreds of bands needs no more memory than one of three.
MAX_SAMPLE_BYTES = 64 * 2**20
CACHE_NAME = f"{STORED_STEM}.statistics.json"


@dataclass(frozen=True)
class BandStatistics:
    """Of the valid pixels of one band, in the unit of the stored values; all None where no pixel is valid."""

    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    p2: float | None = None
    p98: float | None = None


@dataclass(frozen=True)
class RasterStatistics:
    """Of all bands in order; `approximate` where they come from a part of the pixels."""

    bands: tuple[BandStatistics, ...]
    approximate: bool


def read_statistics(path: Path) -> RasterStatistics:
    """Return the statistics of a raster; those of a stored raster are computed once per state of its files.

    Raises:
        NotARaster: it cannot be read.
    """
    if path.stem != STORED_STEM:
        return _compute(path)
    cache, state = path.with_name(CACHE_NAME), read_state(path)
    known = _load(cache, state)
    if known is None:
        known = _compute(path)
        _save(cache, state, known)
    return known


def _compute(path: Path) -> RasterStatistics:
    with open_raster(path) as raster:
        full_shape, scale = raster.shape, max(raster.shape) / MAX_SAMPLE_PX
    with open_reduced(path, scale) as raster:
        shape = sample_shape(raster, MAX_SAMPLE_PX)
        step = max(1, MAX_SAMPLE_BYTES // (shape[0] * shape[1] * np.dtype(raster.dtypes[0]).itemsize))
        bands: list[BandStatistics] = []
        for first in range(1, raster.count + 1, step):
            indexes = range(first, min(first + step, raster.count + 1))
            values, valid = read_bands(raster, indexes, shape=shape)
            bands += [_summarise(plane[good]) for plane, good in zip(values, valid, strict=True)]
    return RasterStatistics(tuple(bands), approximate=shape != full_shape)


def sample_shape(raster: DatasetReader, max_px: int) -> tuple[int, int]:
    """Return (rows, columns) with the raster's proportions and no side longer than `max_px`."""
    scale = max(1.0, max(raster.width, raster.height) / max_px)
    return max(1, round(raster.height / scale)), max(1, round(raster.width / scale))


def _summarise(values: NDArray[np.generic]) -> BandStatistics:
    if values.size == 0:
        return BandStatistics()
    with np.errstate(over="ignore", invalid="ignore"):  # the largest floats overflow; _finite sees it
        exact = values.astype(np.float64)
        p2, p98 = np.percentile(exact, (2.0, 98.0))
        numbers = (exact.min(), exact.max(), exact.mean(), exact.std(), p2, p98)
    return BandStatistics(*(_finite(number) for number in numbers))


def _finite(number: np.float64) -> float | None:
    return float(number) if math.isfinite(number) else None


def _load(cache: Path, state: FileState) -> RasterStatistics | None:
    try:
        content = json.loads(cache.read_text(encoding="utf-8"))
        if content["state"] != state:
            return None
        return RasterStatistics(tuple(BandStatistics(**band) for band in content["bands"]), content["approximate"])
    except (OSError, ValueError, KeyError, TypeError):  # absent, or written by another version
        return None


def _save(cache: Path, state: FileState, known: RasterStatistics) -> None:
    """Write under another name first, so that no thread reads half a file."""
    with tempfile.NamedTemporaryFile(
        "w", dir=cache.parent, prefix=".statistics-", delete=False, encoding="utf-8"
    ) as draft:
        json.dump({"state": state, **dataclasses.asdict(known)}, draft)
    os.replace(draft.name, cache)  # noqa: PTH105 - atomic on every system
