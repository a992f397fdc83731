"""Shows windows of a raster to a looker at a chosen ground resolution; logits come back in pixels of the raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from server.rasters.windows import PatchReader, PixelWindow
from server.segmentation.whole_raster.segmenting import Ground
from server.vocabulary.settings import VocabularySettings
from server.vocabulary.strips import Logits


class WindowLooker(Protocol):
    """What tells of every pixel of a window how well it fits, by words or by example."""

    @property
    def settings(self) -> VocabularySettings:
        """Of windows and of the decision."""
        ...

    @property
    def class_of(self) -> tuple[int, ...]:
        """(Q,) number of the class that each of the logits is for."""
        ...

    def look(self, patch: NDArray[np.uint8]) -> Tensor:
        """Return logits (Q, H, W) of one window, uint8 (H, W, 3)."""
        ...


@dataclass(frozen=True)
class RasterViewer:
    """Looks at windows of one raster.

    Attributes:
        reader: of the raster.
        looker: tells what fits in a window.
        ground: what of the raster counts, and how coarsely it is seen.
    """

    reader: PatchReader
    looker: WindowLooker
    ground: Ground

    def look(self, window: PixelWindow) -> Logits | None:
        """Return logits (Q, window.height, window.width); None where nothing counts."""
        limit, step = self.looker.settings.window, self.ground.pixel_step
        rows, cols = (min(limit, max(1, round(side / step))) for side in (window.height, window.width))
        patch = self.reader.read_patch(window, (rows, cols))
        area = self.ground.area
        counts = patch.valid if area is None else patch.valid & area.draw(window, (rows, cols))
        if not counts.any():
            return None
        logits = self.looker.look(patch.rgb).cpu().numpy()
        if logits.shape[1:] == (window.height, window.width):
            return logits
        size = window.width, window.height
        return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in logits])

    def read_valid(self, window: PixelWindow) -> NDArray[np.bool_]:
        """Return bool (window.height, window.width): True where the raster has data and the area of interest lies."""
        valid = self.reader.read_patch(window).valid
        return valid if self.ground.area is None else valid & self.ground.area.draw(window)
