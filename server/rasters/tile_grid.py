"""The grid that map tiles and pixel-space tiles share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]
TILE_PX = 256
# Here a pixel is 9 mm wide, finer than any raster; pixel-space tiles of any allowed raster need fewer zooms.
MAX_ZOOM = 24


@dataclass(frozen=True)
class Tile:
    """One square of a zoom's grid; `x` counts from the left, `y` from the top."""

    zoom: int
    x: int
    y: int

    def is_possible(self) -> bool:
        """Tell whether the tile lies on the grid of its zoom; grids end at MAX_ZOOM."""
        return 0 <= self.zoom <= MAX_ZOOM and 0 <= self.x < 2**self.zoom and 0 <= self.y < 2**self.zoom
