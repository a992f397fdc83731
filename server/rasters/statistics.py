"""Per-band statistics from at most about a million pixels, kept beside stored rasters."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.rasters.formats import STORED_STEM
from server.rasters.opening import open_raster
from server.rasters.sampling import MAX_SAMPLE_PX, sample_bands
from server.rasters.side_files import FileState, read_state

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
        samples = sample_bands(raster)
        approximate = max(raster.shape) > MAX_SAMPLE_PX
    return RasterStatistics(tuple(_summarise(sample) for sample in samples), approximate)


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
    content = json.dumps({"state": state, **dataclasses.asdict(known)})
    # A full disk or a raster that is being deleted costs only the time to compute again.
    with (
        contextlib.suppress(OSError),
        tempfile.TemporaryDirectory(prefix=".statistics-", dir=cache.parent) as scratch,
    ):
        draft = Path(scratch) / cache.name
        draft.write_text(content, encoding="utf-8")
        os.replace(draft, cache)  # noqa: PTH105 - atomic on every system
