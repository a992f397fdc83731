"""What a place looks like to classes by example: colour and texture, and a network's features, near and around it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from server.vocabulary.backbones import Backbone

# Squares over which colours are averaged and spread; the first is the pixel itself, which has no spread.
TEXTURE_SIDES_PX = (1, 5, 11, 21, 41)
N_TEXTURES = 3 * (2 * len(TEXTURE_SIDES_PX) - 1)
# How far "around" reaches. Chosen on training images of Dubai and on coasts, between 20 and 120 pixels.
AROUND_PX = 32
# Textures around a place vary slowly: every so many pixels is enough.
AROUND_STRIDE = 4


class Cue(NamedTuple):
    """One description of all places of a picture.

    Attributes:
        values: float32 (C, h, w); cells divide the padded picture evenly.
        padded: rows and columns of the padded picture.
        top: row of the padded picture at which the picture begins.
        left: column at which it begins.
    """

    values: Tensor
    padded: tuple[int, int]
    top: int = 0
    left: int = 0

    def sample(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Tensor:
        """Return (P, C): what is at P pixels of the picture, bilinear between cells."""
        height, width = self.padded
        xs, ys = (cols + self.left + 0.5) / width, (rows + self.top + 0.5) / height
        places = torch.from_numpy(np.stack([xs, ys], axis=1) * 2 - 1).float().to(self.values.device)
        sampled = functional.grid_sample(
            self.values[None], places[None, None], padding_mode="border", align_corners=False
        )
        return sampled[0, :, 0].mT.cpu()


def read_cues(backbone: Backbone, rgb: NDArray[np.uint8]) -> tuple[Cue, ...]:
    """Describe a picture, uint8 (H, W, 3), in four ways: texture, texture around, features, features around."""
    textures = _to_tensor(describe_texture(rgb))
    coarse = (-(-rgb.shape[0] // AROUND_STRIDE), -(-rgb.shape[1] // AROUND_STRIDE))
    around = _average_cells(functional.adaptive_avg_pool2d(textures, coarse), AROUND_PX // AROUND_STRIDE | 1)
    seen = backbone.encode(rgb)
    n_cells = max(3, round(AROUND_PX / backbone.stride) | 1)
    padded = (seen.picture.shape[1], seen.picture.shape[2])
    return (
        Cue(textures, rgb.shape[:2]),
        Cue(around, rgb.shape[:2]),
        Cue(seen.patches, padded, seen.top, seen.left),
        Cue(_average_cells(seen.patches, n_cells), padded, seen.top, seen.left),
    )


def describe_texture(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (H, W, 27): means and standard deviations of CIELAB colours over squares around every pixel."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    planes = [lab]
    for side in TEXTURE_SIDES_PX[1:]:
        mean = _average(lab, side)
        planes += [mean, np.sqrt(np.maximum(_average(lab**2, side) - mean**2, 0))]
    return np.concatenate(planes, axis=2)


def _average(planes: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return the means over squares of `side` pixels, (H, W, C), at borders of what lies mirrored beyond."""
    return np.asarray(cv2.blur(planes, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)


def _average_cells(values: Tensor, side: int) -> Tensor:
    """Return (C, h, w): means over squares of `side` cells, at borders of the cells that there are."""
    averaged = functional.avg_pool2d(values[None], side, stride=1, padding=side // 2, count_include_pad=False)
    return averaged[0]


def _to_tensor(planes: NDArray[np.float32]) -> Tensor:
    """Return (C, H, W) of (H, W, C), in the same memory."""
    return torch.from_numpy(planes).permute(2, 0, 1)
