"""Stretches training images as the service stretches rasters, because that is what the network will be shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# As `server.rasters.stretch.read_stretch` with mode "percentile", but on an image in memory.
LOW_PERCENT, HIGH_PERCENT = 2, 98


def stretch_colours(rgb: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Return the image with every band stretched from its 2nd to its 98th percentile to 0..255.

    Args:
        rgb: uint8 (H, W, 3).
        valid: bool (H, W), False where the image holds no data, which stays as it is; None means everywhere.
    """
    seen = rgb.reshape(-1, 3) if valid is None else rgb[valid]
    if len(seen) == 0:
        return rgb
    low, high = np.percentile(seen, (LOW_PERCENT, HIGH_PERCENT), axis=0)
    stretched = (rgb - low) * (255 / np.maximum(high - low, 1))
    shown = (stretched + 0.5).clip(0, 255).astype(np.uint8)
    return shown if valid is None else np.where(valid[..., None], shown, rgb)
