"""Shows windows of a raster to a class network, at a chosen ground resolution, and returns logits in raster pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from server.rasters.area import Area
from server.rasters.windows import PatchReader, PixelWindow
from server.segmentation.class_mode.blending import Logits


class ClassNetwork(Protocol):
    """What finds one class in patches."""

    input_size: int

    def find_class(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits (H, W), over 0 where the class is, of a patch uint8 (H, W, 3), at most `input_size` each."""
        ...


@dataclass(frozen=True)
class ClassViewer:
    """Looks at windows of one raster with one network.

    Attributes:
        reader: of the raster.
        network: finds the class in patches.
        pixel_step: pixels of the raster per pixel of the network's input, along each side.
        area: what of the raster counts; None means all.
    """

    reader: PatchReader
    network: ClassNetwork
    pixel_step: float
    area: Area | None

    @property
    def size_px(self) -> int:
        """Side of the window that fills the network's input, in pixels of the raster."""
        return max(1, int(self.network.input_size * self.pixel_step))

    def look(self, window: PixelWindow) -> Logits | None:
        """Return logits (window.height, window.width), over 0 where the class is; None where nothing counts."""
        limit = self.network.input_size
        rows, cols = (min(limit, max(1, round(side / self.pixel_step))) for side in (window.height, window.width))
        patch = self.reader.read_patch(window, (rows, cols))
        counts = patch.valid if self.area is None else patch.valid & self.area.draw(window, (rows, cols))
        if not counts.any():
            return None
        logits = self.network.find_class(patch.rgb)
        if logits.shape == (window.height, window.width):
            return logits
        resized = cv2.resize(logits, (window.width, window.height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized, dtype=np.float32)

    def read_valid(self, window: PixelWindow) -> NDArray[np.bool_]:
        """Return bool (window.height, window.width): True where the raster has data and the area of interest lies."""
        valid = self.reader.read_patch(window).valid
        return valid if self.area is None else valid & self.area.draw(window)
