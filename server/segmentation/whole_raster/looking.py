"""Shows parts of a raster to the network at a chosen ground resolution and returns what it finds in raster pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.rasters.area import Area
from server.rasters.windows import Patch, PatchReader, PixelWindow
from server.segmentation.mask_records import MaskGenerator, MaskRecord, Thresholds
from server.segmentation.whole_raster.finished_windows import FinishedWindows
from server.segmentation.whole_raster.pieces import Piece, SeenPatch, make_piece

Tell = Callable[[float], None]


@dataclass(frozen=True)
class Viewer:
    """Looks at windows of one raster with one network.

    Attributes:
        reader: of the raster.
        generator: finds objects in patches.
        region: all that is being segmented.
        pixel_step: pixels of the raster per pixel of the network's input, along each side, at the first look.
        area: what of the raster counts; None means all.
        finished: what an earlier attempt at the same work found, and where this one keeps what it finds; None means
            that nothing is kept.
    """

    reader: PatchReader
    generator: MaskGenerator
    region: PixelWindow
    pixel_step: float
    area: Area | None
    finished: FinishedWindows | None = None

    @property
    def size_px(self) -> int:
        """Side of the window that fills the network's input at `pixel_step`, in pixels of the raster."""
        return max(1, int(self.generator.input_size * self.pixel_step))

    def prepare(self, windows: Sequence[PixelWindow]) -> None:
        """Let the network encode windows together that `find` is going to be asked for."""
        new = [window for window in windows if self.finished is None or not self.finished.has(window)]
        patches = (self._read(window)[0] for window in new)
        self.generator.prepare([patch.rgb for patch in patches if patch is not None])

    def find(self, window: PixelWindow, tell: Tell) -> list[Piece] | None:
        """Return all objects of a window, None where it holds no data."""
        if self.finished is None:
            return self._find(window, tell)
        return self.finished.find(window, lambda: self._find(window, tell))

    def _find(self, window: PixelWindow, tell: Tell) -> list[Piece] | None:
        patch, seen = self._read(window)
        if patch is None:
            return None
        return _place(self.generator.generate(patch.rgb, tell), seen)

    def click(
        self, window: PixelWindow, points_xy: NDArray[np.float64], thresholds: Thresholds, tell: Tell
    ) -> list[Piece]:
        """Return the objects found by clicks, float64 (N, 2) in pixels of the raster, inside `window`."""
        if self.finished is None:
            return self._click(window, points_xy, thresholds, tell)
        return self.finished.click(
            window, points_xy, thresholds, lambda: self._click(window, points_xy, thresholds, tell)
        )

    def _click(
        self, window: PixelWindow, points_xy: NDArray[np.float64], thresholds: Thresholds, tell: Tell
    ) -> list[Piece]:
        patch, seen = self._read(window)
        if patch is None or len(points_xy) == 0:
            return []
        in_patch = (points_xy - (window.col, window.row)) / seen.scale_xy
        return _place(self.generator.generate_at(patch.rgb, in_patch, thresholds, tell), seen)

    def read_valid(self, window: PixelWindow) -> NDArray[np.bool_]:
        """Return bool (window.height, window.width): True where the raster has data and the area of interest lies."""
        valid = self.reader.read_patch(window).valid
        return valid if self.area is None else valid & self.area.draw(window)

    def _read(self, window: PixelWindow) -> tuple[Patch | None, SeenPatch]:
        """Return the patch of a window, None where nothing of it counts, and where it lies."""
        shape = self._choose_shape(window)
        is_native = shape == (window.height, window.width)
        patch = self.reader.read_patch(window, shape)
        counts = patch.valid
        if self.area is not None:
            counts = counts & self.area.draw(window, shape)
        # At another resolution gaps are cut out when the objects are painted, pixel by pixel of the raster.
        seen = SeenPatch(window, shape, counts if is_native and not counts.all() else None, self.region)
        if not counts.any():
            return None, seen
        rgb = np.where(counts[..., None], patch.rgb, np.uint8(0)) if self.area is not None else patch.rgb
        return Patch(rgb, counts), seen

    def _choose_shape(self, window: PixelWindow) -> tuple[int, int]:
        """Return rows and columns of the patch: at `pixel_step`, or at a whole multiple that fits the network."""
        step = self.pixel_step * max(1, math.ceil(max(window.width, window.height) / self.size_px - 1e-9))
        limit = self.generator.input_size
        rows, cols = (min(limit, max(1, round(length / step))) for length in (window.height, window.width))
        return rows, cols


def _place(records: list[MaskRecord], seen: SeenPatch) -> list[Piece]:
    pieces = (make_piece(record, seen) for record in records)
    return [piece for piece in pieces if piece is not None]
