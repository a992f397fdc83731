"""What the vocabulary asks of a network: features of places, one feature of the whole, and what it saw."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class DenseFeatures(NamedTuple):
    """What a backbone sees in a picture.

    Attributes:
        patches: float32 (C, h, w), not normalised; each cell stands for a square of `stride` pixels of `picture`.
        whole: float32 (C,), one feature for the whole picture.
        picture: float32 (3, h stride, w stride): normalised as the network saw it, and padded.
        top: row of `picture` at which the pixels that were given begin.
        left: column of `picture` at which they begin.
    """

    patches: Tensor
    whole: Tensor
    picture: Tensor
    top: int
    left: int


class Backbone(Protocol):
    """A frozen network that turns pictures into features.

    Attributes:
        n_channels: of its features.
        stride: pixels of a picture per cell of features, along each side.
        max_size: longest side in pixels it takes at once; None means any.
    """

    n_channels: int
    stride: int
    max_size: int | None

    def encode(self, rgb: NDArray[np.uint8]) -> DenseFeatures:
        """Return the features of a picture, uint8 (H, W, 3), of any size up to `max_size`."""
        ...


def normalise(rgb: NDArray[np.uint8], mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """Return float32 (3, H, W): `rgb` minus `mean`, divided by `std`, both in steps of 0..255."""
    scaled = (rgb - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1), dtype=np.float32)
