"""Draws quadrilaterals as mask prompts, as the SAMRS study of prompts does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Logits inside and outside: certain (SAMRS takes 1000).
CERTAIN = 1000.0


def fill_corners(corners: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    """Return mask prompts.

    Args:
        corners: float64 (B, 4, 2), x and y in pixels of the low-resolution masks, clockwise on the screen.
        side: of these square masks; what lies beyond the image, the padding, is outside of all quadrilaterals.

    Returns:
        float32 (B, side, side), +1000 where a pixel's centre lies in the quadrilateral and -1000 elsewhere. One that
        holds no centre gets the pixel under its middle.
    """
    logits = np.full((len(corners), side, side), -CERTAIN, np.float32)
    for drawn, ring in zip(logits, corners, strict=True):
        inside = hold_centres(ring, (side, side))
        if not inside.any():
            x, y = ring.mean(axis=0).astype(int).clip(0, side - 1)
            inside[y, x] = True
        drawn[inside] = CERTAIN
    return logits


def hold_centres(ring: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return bool (rows, columns): which pixels' centres lie in a convex ring, (N, 2) x and y, clockwise on the screen.

    Centres on its left and upper edges count, so that neighbouring rectangles share no pixel.
    """
    height, width = shape
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    inside = np.ones(shape, np.bool_)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        turn = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        is_first = y1 < y0 or (y1 == y0 and x1 > x0)  # a left edge goes up, an upper one to the right
        inside &= turn >= 0 if is_first else turn > 0
    return inside
