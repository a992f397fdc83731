"""Asks a network where the class is in one patch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray

from server.segmentation.class_mode.prompt_free import decode_without_prompt
from server.segmentation.networks.caching_predictor import CachingPredictor
from server.segmentation.networks.layer_checks import checking_layers
from server.segmentation.networks.precision import lower_precision

# ImageNet's mean colour, which the networks' normalisation turns into zeros.
PADDING_COLOUR = (124, 116, 104)


class SharedClassNetwork:
    """Implements `server.segmentation.class_mode.looking.ClassNetwork` on a network that other threads use as well."""

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

    def find_class(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits; see `ClassNetwork`."""
        predictor = self._predictor
        height, width = rgb.shape[:2]
        with self._turn(), torch.inference_mode(), checking_layers(predictor.model, self._check):
            predictor.set_image(pad_to_square(rgb, self.input_size))
            with lower_precision(predictor.precision, predictor.device):
                low = decode_without_prompt(predictor.model, predictor.features)[0]
            full = predictor.model.postprocess_masks(low.float(), predictor.input_size, predictor.original_size)
            logits: NDArray[np.float32] = full[0, 0, :height, :width].cpu().numpy()
        return logits


def pad_to_square(rgb: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return uint8 (size, size, 3) with `rgb`, at most as large, in its upper left corner.

    Predictors would enlarge small patches instead, and a class looks different at another scale.
    """
    if rgb.shape[:2] == (size, size):
        return rgb
    padded = np.empty((size, size, 3), np.uint8)
    padded[:] = PADDING_COLOUR
    padded[: rgb.shape[0], : rgb.shape[1]] = rgb
    return padded
