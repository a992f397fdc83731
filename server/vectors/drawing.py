"""Draws outlines in pixels of a raster as values of pixels, window by window."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from server.rasters.windows import PixelWindow


class Drawing:
    """Outlines and the value of each; where they overlap, the smallest is seen.

    A pixel belongs to an outline that holds its centre.
    """

    def __init__(self, shapes: Iterable[tuple[shapely.MultiPolygon, int]]) -> None:
        """Take (outline in pixels, value over 0)."""
        self._shapes = sorted(shapes, key=lambda shape: -shape[0].area)
        self._tree = shapely.STRtree([outline for outline, _ in self._shapes])

    def reaches(self, window: PixelWindow) -> bool:
        """Tell whether one of the outlines may be seen in the window."""
        return self._find(window).size > 0

    def draw(self, window: PixelWindow) -> NDArray[np.int32]:
        """Return int32 (window.height, window.width), 0 where there is no outline."""
        size = (window.height, window.width)
        near = [self._shapes[index] for index in self._find(window)]
        if not near:
            return np.zeros(size, np.int32)
        corner = Affine.translation(window.col, window.row)
        drawn: NDArray[np.int32] = rasterize(near, size, transform=corner, dtype="int32")
        return drawn

    def _find(self, window: PixelWindow) -> NDArray[np.int64]:
        """Return the numbers of the outlines whose bounds touch the window, large outlines first."""
        extent = shapely.box(window.col, window.row, window.col + window.width, window.row + window.height)
        return np.sort(self._tree.query(extent))
