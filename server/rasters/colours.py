"""One fixed colour per object id, so that an object looks the same in every picture and every run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Steps of the golden ratio's inverse never come close to an earlier hue, so neighbouring ids look different.
HUE_STEP = 0.6180339887498949
SATURATIONS = (0.85, 0.6, 1.0)
# Never dark: black is left to the background.
VALUES = (1.0, 0.8, 0.9)


def colours_of(ids: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the colour of each id.

    Args:
        ids: any shape, ids 1..N; 0, the background, gets a colour too, callers make it transparent.

    Returns:
        RGB with one more axis of length 3 at the end.
    """
    numbers = np.asarray(ids, dtype=np.int64)
    hue = (numbers * HUE_STEP) % 1.0
    saturation = np.asarray(SATURATIONS)[numbers % len(SATURATIONS)]
    value = np.asarray(VALUES)[(numbers // len(SATURATIONS)) % len(VALUES)]
    # Hue to RGB: every channel is a trapezoid over the hue circle, shifted by a third each.
    shifts = np.array([0.0, 4.0, 2.0])
    trapezoid = np.clip(np.abs((hue[..., None] * 6.0 + shifts) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    rgb = value[..., None] * (1.0 - saturation[..., None] * (1.0 - trapezoid))
    colours: NDArray[np.uint8] = np.round(rgb * 255.0).astype(np.uint8)
    return colours
