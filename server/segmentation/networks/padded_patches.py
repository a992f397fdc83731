"""Encodes patches without enlarging small ones, on a network that other threads use as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from server.segmentation.networks.caching_predictor import CachingPredictor
from server.segmentation.networks.layer_checks import checking_layers

# ImageNet's mean colour, which the networks' normalisation turns into zeros.
PADDING_COLOUR = (124, 116, 104)


class PaddedPatches:
    """Base of what asks a shared network about patches of at most its input's size.

    Attributes:
        input_size: side in pixels of the square the network sees.
    """

    def __init__(
        self,
        predictor: CachingPredictor,
        turn: Callable[[], AbstractContextManager[object]],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            predictor: of this thread alone.
            turn: makes a context in which no one else uses the network.
            check: called before every layer of the network; may raise to stop.
        """
        self._predictor = predictor
        self._turn = turn
        self._check = check
        self.input_size: int = predictor.model.image_encoder.img_size

    @contextmanager
    def encoded(self, rgb: NDArray[np.uint8]) -> Iterator[CachingPredictor]:
        """Give the predictor with a patch, uint8 (H, W, 3), encoded in its upper left corner, for this thread alone."""
        with self._turn(), torch.inference_mode(), checking_layers(self._predictor.model, self._check):
            self._predictor.set_image(pad_to_square(rgb, self.input_size))
            yield self._predictor


def pad_to_square(rgb: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return uint8 (size, size, 3) with `rgb`, at most as large, in its upper left corner.

    Predictors would enlarge small patches instead, and things look different at another scale.
    """
    if rgb.shape[:2] == (size, size):
        return rgb
    padded = np.empty((size, size, 3), np.uint8)
    padded[:] = PADDING_COLOUR
    padded[: rgb.shape[0], : rgb.shape[1]] = rgb
    return padded
