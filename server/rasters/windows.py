"""Cuts a raster into windows that cover every pixel, and reads them as the network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from server.errors import BadParameter
from server.rasters.opening import open_raster
from server.rasters.stretch import StretchMode, draw_bands, read_stretch


class PixelWindow(NamedTuple):
    """A rectangle of pixels; `col` and `row` are those of its upper left pixel."""

    col: int
    row: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and columns, which cut it out of an array (H, W, …)."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)


def plan_windows(width: int, height: int, *, size: int, overlap: int) -> list[PixelWindow]:
    """Return windows that together cover every pixel, row by row.

    Args:
        width: of the raster in pixels.
        height: of the raster in pixels.
        size: of a window in pixels; a smaller raster gets smaller windows, otherwise all are of this size.
        overlap: pixels neighbours share at least; less than `size`.

    Returns:
        Windows, evenly spaced; the first and the last of each row and column end exactly at the border.

    Raises:
        ValueError: sizes are not positive or the overlap leaves no step forward.
    """
    if min(width, height, size) < 1 or not 0 <= overlap < size:
        raise ValueError(f"no windows of {size} px with {overlap} px overlap cover {width} x {height} px")
    return [
        PixelWindow(col, row, min(size, width), min(size, height))
        for row in plan_starts(height, size, overlap)
        for col in plan_starts(width, size, overlap)
    ]


def plan_starts(length: int, size: int, overlap: int) -> list[int]:
    """Return where windows of `size` along one side of `length` start: as few as can share `overlap` each.

    They are spaced evenly, because a last one that is pushed back would nearly repeat its neighbour.
    """
    last = max(length - size, 0)
    n_steps = -(-last // (size - overlap))
    return [last * step // n_steps for step in range(n_steps + 1)] if n_steps else [0]


def check_window(path: Path, window: Sequence[int], *, field: str = "window") -> PixelWindow:
    """Return `window` (col, row, width, height) when it lies inside the raster.

    Raises:
        BadParameter: it has not four numbers, is empty or reaches outside; names `field`.
    """
    with open_raster(path) as raster:
        width, height = raster.width, raster.height
    if len(window) != 4:
        raise BadParameter(f"A window has four numbers, col, row, width, height; found {len(window)}.", field)
    checked = PixelWindow(*window)
    inside = checked.col + checked.width <= width and checked.row + checked.height <= height
    if min(checked.col, checked.row) < 0 or min(checked.width, checked.height) < 1 or not inside:
        raise BadParameter(
            f"Window {', '.join(map(str, checked))} (col, row, width, height) does not lie inside the raster of "
            f"{width} x {height} pixels.",
            field,
        )
    return checked


@dataclass(frozen=True)
class Patch:
    """Pixels of one window as the network sees them.

    Attributes:
        rgb: uint8 (rows, columns, 3), black where not valid.
        valid: (rows, columns), True where any of the chosen bands holds data.
    """

    rgb: NDArray[np.uint8]
    valid: NDArray[np.bool_]


class PatchReader:
    """Reads windows of one raster through the raster's global stretch; a context manager for one thread."""

    def __init__(self, path: Path, band_indexes: Sequence[int], *, mode: StretchMode = "percentile") -> None:
        """Choose the bands.

        Args:
            path: the raster.
            band_indexes: three indexes, counted from 1, seen as red, green and blue.
            mode: of the stretch.
        """
        self._path = path
        self._band_indexes = tuple(band_indexes)
        self._mode = mode
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self._stretch = read_stretch(self._path, self._band_indexes, self._mode)
        self._raster = self._closing.enter_context(open_raster(self._path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, traceback)

    def read_patch(self, window: PixelWindow, shape: tuple[int, int] | None = None) -> Patch:
        """Read one window, which must lie inside the raster.

        GDAL's error on broken pixels becomes NotARaster where the context is left.

        Args:
            window: the part to read.
            shape: (rows, columns) of the patch; None means those of the window. Where the patch has fewer, pixels are
                averaged; where it has more, they are repeated.
        """
        part = Window(window.col, window.row, window.width, window.height)
        resampled = None if shape == (window.height, window.width) else shape
        rgb, valid = draw_bands(self._raster, self._band_indexes, self._stretch, window=part, shape=resampled)
        return Patch(rgb, valid)
