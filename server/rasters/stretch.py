"""One linear stretch per band for the whole raster, so that preview, tiles and the network see the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.windows import Window

from server.rasters.opening import open_raster
from server.rasters.reading import Valid, Values, expand_palette, read_bands, read_palette
from server.rasters.statistics import BandStatistics, read_statistics

Picture = tuple[NDArray[np.uint8], Valid]
StretchMode = Literal["percentile", "minmax", "none"]
# What a band without contrast is drawn as: neither black nor white, because nothing says which it is.
MID_GREY = 128


@dataclass(frozen=True)
class Stretch:
    """Values drawn as 0 and as 255, one pair per channel, in the unit of the stored values."""

    low: tuple[float, ...]
    high: tuple[float, ...]


def read_stretch(path: Path, band_indexes: Sequence[int], mode: StretchMode = "percentile") -> Stretch:
    """Return the stretch of the whole raster.

    Args:
        path: the raster.
        band_indexes: C indexes, counted from 1.
        mode: "percentile" from 2 % to 98 % of the valid pixels, "minmax" from the smallest to the largest, "none" the
            range of the type (0 to 1 for floats). Palettes are colours already and get the identity.

    Raises:
        NotARaster: the raster cannot be read.
    """
    with open_raster(path) as raster:
        if read_palette(raster, band_indexes) is not None:
            return Stretch((0.0,) * len(band_indexes), (255.0,) * len(band_indexes))
        if mode == "none":
            return _type_range(raster, band_indexes)
    bands = read_statistics(path).bands
    pairs = [_limits(bands[index - 1], mode) for index in band_indexes]
    return Stretch(tuple(low for low, _ in pairs), tuple(high for _, high in pairs))


def _type_range(raster: DatasetReader, band_indexes: Sequence[int]) -> Stretch:
    dtypes = [np.dtype(raster.dtypes[index - 1]) for index in band_indexes]
    ranges = [(0.0, 1.0) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max) for dtype in dtypes]
    return Stretch(tuple(float(low) for low, _ in ranges), tuple(float(high) for _, high in ranges))


def _limits(band: BandStatistics, mode: StretchMode) -> tuple[float, float]:
    if band.min is None or band.max is None or band.p2 is None or band.p98 is None:
        return 0.0, 0.0
    # Where nearly all pixels share one value, the percentiles fall together and would hide the rest.
    return (band.p2, band.p98) if mode == "percentile" and band.p2 < band.p98 else (band.min, band.max)


def apply_stretch(values: Values, valid: Valid, stretch: Stretch) -> NDArray[np.uint8]:
    """Draw values in 8 bits.

    Args:
        values: (C, H, W), any real type.
        valid: (H, W); pixels that are False become black.
        stretch: C pairs.

    Returns:
        (H, W, C); a band without contrast becomes mid grey.
    """
    drawn = np.empty((*values.shape[1:], values.shape[0]), dtype=np.uint8)
    for channel, (plane, low, high) in enumerate(zip(values, stretch.low, stretch.high, strict=True)):
        drawn[..., channel] = _draw(plane, low, high)
    drawn[~valid] = 0
    return drawn


def _draw(plane: Values, low: float, high: float) -> NDArray[np.uint8]:
    if plane.dtype == np.uint8 and (low, high) == (0.0, 255.0):
        return plane.astype(np.uint8)
    if not low < high:
        return np.full(plane.shape, MID_GREY, dtype=np.uint8)
    share: NDArray[np.floating] = plane.astype(np.float32 if plane.dtype.itemsize <= 2 else np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        share -= low
        share /= high - low
    if plane.dtype.kind == "f":
        share = np.nan_to_num(share, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    np.clip(share, 0.0, 1.0, out=share)
    share *= 255.0
    drawn: NDArray[np.uint8] = np.rint(share, out=share).astype(np.uint8)
    return drawn


def draw_bands(
    raster: DatasetReader,
    band_indexes: Sequence[int],
    stretch: Stretch,
    *,
    window: Window | None = None,
    shape: tuple[int, int] | None = None,
) -> Picture:
    """Read a part of an open raster as a picture.

    Args:
        raster: the raster or a reduced copy of it.
        band_indexes: C indexes; three equal ones of a band with a palette give the palette's colours.
        stretch: what `read_stretch` gave for the same bands.
        window: part to read; None means all.
        shape: (rows, columns) of the picture; None means one per pixel. Several pixels are averaged where values allow.

    Returns:
        Picture (H, W, C) and valid (H, W), True where any of the bands holds data.
    """
    palette = read_palette(raster, band_indexes)
    if palette is not None:
        values, valid = read_bands(raster, band_indexes[:1], window, shape)
        colours, seen = expand_palette(values[0], valid[0], palette)
        return apply_stretch(colours, seen, stretch), seen
    resampling = Resampling.average if shape else Resampling.nearest
    return draw_values(*read_bands(raster, band_indexes, window, shape, resampling), stretch)


def draw_values(values: Values, valid: Valid, stretch: Stretch) -> Picture:
    """Draw bands of which each has its own gaps.

    Args:
        values: (C, H, W); overwritten where not valid.
        valid: (C, H, W).
        stretch: C pairs.

    Returns:
        Picture (H, W, C) and valid (H, W), True where any band holds data; the others are drawn as their lowest value.
    """
    for plane, good, low in zip(values, valid, stretch.low, strict=True):
        plane[~good] = low
    seen: Valid = np.logical_or.reduce(valid, axis=0)
    return apply_stretch(values, seen, stretch), seen
