"""How a raster's bands are drawn, the same for all of its tiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.rasters.opening import open_raster
from server.rasters.preview import choose_bands
from server.rasters.reading import read_palette
from server.rasters.remembered import remembered
from server.rasters.stretch import Stretch, StretchMode, read_stretch


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
