"""Slides a window over a picture and averages what the windows say about each pixel."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from server.rasters.windows import PixelWindow


def plan_sliding(height: int, width: int, *, size: int, stride: int) -> list[PixelWindow]:
    """Return square windows, row by row, that cover every pixel.

    Windows start every `stride` pixels; the last one of a row or column is shifted inwards so that it ends at the
    border. A smaller picture gets one window of its own size.

    Args:
        height: of the picture in pixels.
        width: of the picture in pixels.
        size: of a window in pixels.
        stride: from one window to the next, at most `size`.
    """
    rows, cols = (_starts(length, size, stride) for length in (height, width))
    return [PixelWindow(col, row, min(size, width), min(size, height)) for row, col in product(rows, cols)]


def _starts(length: int, size: int, stride: int) -> list[int]:
    last = max(length - size, 0)
    return [*range(0, last, stride), last]


def average_windows(
    shape: tuple[int, int], windows: list[PixelWindow], look: Callable[[PixelWindow], Tensor]
) -> Tensor:
    """Return float32 (N, H, W): the mean over all windows that hold a pixel.

    Args:
        shape: rows and columns of the picture.
        windows: which together cover it.
        look: returns (N, window.height, window.width).
    """
    total, counts = None, torch.zeros(shape)
    for window in windows:
        seen = look(window)
        if total is None:
            total = torch.zeros(len(seen), *shape, device=seen.device)
        total[(slice(None), *window.slices)] += seen
        counts[window.slices] += 1
    if total is None:
        raise ValueError("no windows to average")
    return total / counts.to(total.device)


def resize_long_side(rgb: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """Return uint8 (h, w, 3) with a long side of so many pixels and the same proportions, bilinear."""
    height, width = rgb.shape[:2]
    scale = long_side / max(height, width)
    size = max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))
    if size == (width, height):
        return rgb
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), np.uint8)
