"""Moves a picture and its features alike: what was upsampled must stay right from every other point of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Pixels by which a view may reach over the picture's borders, where it sees the mirrored picture.
REACH_PX = 20
MAX_ZOOM = 2.0
ZOOM_CHANCE, FLIP_CHANCE = 0.5, 0.5


@dataclass(frozen=True)
class Jitter:
    """One view of a picture.

    Attributes:
        zoom: 1 or more; the view shows 1 / zoom of the picture's sides.
        shift: of the view's centre, in rows and columns of the picture.
        flipped: left and right are exchanged.
    """

    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    flipped: bool = False

    def apply(self, planes: Tensor) -> Tensor:
        """Return the view (B, C, H, W) of planes of the same shape, bilinear."""
        height, width = planes.shape[2:]
        across = (-1 if self.flipped else 1) / self.zoom
        rows = [[across, 0.0, 2 * self.shift[1] / width], [0.0, 1 / self.zoom, 2 * self.shift[0] / height]]
        matrix = torch.tensor(rows, dtype=planes.dtype, device=planes.device).expand(len(planes), 2, 3)
        grid = functional.affine_grid(matrix, list(planes.shape), align_corners=False)
        return functional.grid_sample(planes, grid, padding_mode="reflection", align_corners=False)


def draw_jitter(rng: np.random.Generator, shape: tuple[int, int]) -> Jitter:
    """Return a random view of a picture (H, W).

    Shifts are whole pixels, so that without zoom nothing is blurred.
    """
    zoom = float(rng.uniform(1, MAX_ZOOM)) if rng.random() < ZOOM_CHANCE else 1.0
    limits = [REACH_PX + side / 2 * (1 - 1 / zoom) for side in shape]
    rows, cols = (float(np.trunc(rng.uniform(-limit, limit))) for limit in limits)
    return Jitter(zoom, (rows, cols), bool(rng.random() < FLIP_CHANCE))
