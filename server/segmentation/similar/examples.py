"""Example outlines as label images of any part of their raster."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow

# cv2 takes corners as whole numbers; with this many binary digits of fraction they stay exact enough.
SHIFT = 8
# Pixel n of cv2 has its centre at n, a raster's at n + 0.5.
CENTRE = 0.5


class ExampleOutlines:
    """Outlines in pixels of a raster."""

    def __init__(self, outlines: Sequence[shapely.MultiPolygon]) -> None:
        self._outlines = list(outlines)
        self._bounds = shapely.bounds(np.array(self._outlines, dtype=object))

    def __len__(self) -> int:
        return len(self._outlines)

    def touch(self, window: PixelWindow) -> bool:
        """Tell whether one of them may lie in the window."""
        return bool(self._find(window).size)

    def draw(self, window: PixelWindow) -> NDArray[np.int32]:
        """Return int32 (window.height, window.width): number + 1 of the outline, 0 for none; later ones win."""
        labels = np.zeros((window.height, window.width), np.int32)
        for number in self._find(window):
            for polygon in self._outlines[number].geoms:
                rings = [polygon.exterior, *polygon.interiors]
                corners = [shapely.get_coordinates(ring) - (window.col, window.row) - CENTRE for ring in rings]
                fixed = [np.round(points * 2**SHIFT).astype(np.int32) for points in corners]
                cv2.fillPoly(labels, fixed, int(number) + 1, shift=SHIFT)
        return labels

    def _find(self, window: PixelWindow) -> NDArray[np.int64]:
        """Return the numbers of outlines whose bounds touch the window."""
        x0, y0, x1, y1 = self._bounds.T
        in_columns = (x0 < window.col + window.width) & (x1 > window.col)
        in_rows = (y0 < window.row + window.height) & (y1 > window.row)
        return np.flatnonzero(in_columns & in_rows)
