"""Reads windows of a label raster."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from server.rasters.opening import open_raster
from server.rasters.windows import PixelWindow


class LabelReader:
    """An open label raster; a context manager for one thread.

    Attributes:
        width: in pixels.
        height: in pixels.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self._raster = self._closing.enter_context(open_raster(self._path))
        self.width, self.height = self._raster.width, self._raster.height
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, traceback)

    def read(self, window: PixelWindow) -> NDArray[np.int32]:
        """Return int32 (window.height, window.width); the window must lie inside the raster."""
        part = Window(window.col, window.row, window.width, window.height)
        labels: NDArray[np.int32] = self._raster.read(1, window=part)
        return labels
