"""Which bands of a raster are shown and how they are drawn, the same for its preview and all of its tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from server.errors import BadParameter
from server.rasters.opening import open_raster
from server.rasters.reading import read_palette
from server.rasters.remembered import remembered
from server.rasters.stretch import Stretch, StretchMode, read_stretch

CHANNEL_FIELDS = ("r", "g", "b")


@remembered
def default_band_indexes(path: Path) -> tuple[int, int, int]:
    """Return the bands to show as red, green and blue when nobody chose.

    Those whose colour interpretation says so; else 1, 2, 3; else, with fewer than three bands besides alpha, 1, 1, 1.

    Raises:
        NotARaster: the raster cannot be read.
    """
    with open_raster(path) as raster:
        colours = list(raster.colorinterp)
    wanted = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if all(colour in colours for colour in wanted):
        red, green, blue = (colours.index(colour) + 1 for colour in wanted)
        return red, green, blue
    shown = [index for index, colour in enumerate(colours, start=1) if colour != ColorInterp.alpha]
    if len(shown) >= 3:
        return shown[0], shown[1], shown[2]
    first = shown[0] if shown else 1
    return first, first, first


def check_band_indexes(path: Path, band_indexes: Sequence[int], *, field: str = "rgb_index") -> tuple[int, int, int]:
    """Return three band indexes when the raster has those bands.

    Raises:
        BadParameter: not three, or one is out of range; names `field`.
        NotARaster: the raster cannot be read.
    """
    if len(band_indexes) != len(CHANNEL_FIELDS):
        raise BadParameter(f"{len(band_indexes)} bands chosen; expected three, for red, green and blue.", field)
    with open_raster(path) as raster:
        for index in band_indexes:
            _require_band(index, raster.count, field)
    red, green, blue = band_indexes
    return red, green, blue


def choose_bands(path: Path, band_indexes: Sequence[int] | None) -> tuple[int, int, int]:
    """Return the bands asked for, or the default ones for None; errors name the channel r, g or b.

    Raises:
        BadParameter: an index is out of range.
        NotARaster: the raster cannot be read.
    """
    if band_indexes is None:
        return default_band_indexes(path)
    with open_raster(path) as raster:
        for index, field in zip(band_indexes, CHANNEL_FIELDS, strict=False):
            _require_band(index, raster.count, field)
    return check_band_indexes(path, band_indexes)


def _require_band(index: int, n_bands: int, field: str) -> None:
    if not 1 <= index <= n_bands:
        amount = "1 band, numbered 1" if n_bands == 1 else f"{n_bands} bands, numbered 1 to {n_bands}"
        raise BadParameter(f"Band {index} asked; this raster has {amount}.", field)


@dataclass(frozen=True)
class Look:
    """What drawing any part of a raster needs to know.

    Attributes:
        bands: shown as red, green and blue, counted from 1.
        stretch: of these bands.
        palette: (N, 4) RGBA where the bands are one with a colour table, else None.
    """

    bands: tuple[int, int, int]
    stretch: Stretch
    palette: NDArray[np.uint8] | None


@remembered
def read_look(path: Path, band_indexes: tuple[int, ...] | None, mode: StretchMode) -> Look:
    """Return how to draw a raster.

    Args:
        path: the raster.
        band_indexes: bands to show as red, green and blue, counted from 1; None chooses.
        mode: of the stretch.

    Raises:
        BadParameter: a band is out of range.
        NotARaster: the raster cannot be read.
    """
    bands = choose_bands(path, band_indexes)
    stretch = read_stretch(path, bands, mode)
    with open_raster(path) as raster:
        return Look(bands, stretch, read_palette(raster, bands))
