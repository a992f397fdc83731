"""Encoder outputs of a shared network as features of places."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray

from server.segmentation.class_mode.network import pad_to_square
from server.segmentation.networks.caching_predictor import CachingPredictor
from server.segmentation.networks.layer_checks import checking_layers
from server.segmentation.similar.descriptors import Features

# Of the encoder's output, for the official networks and the embedded one alike.
N_CHANNELS = 256


class SharedFeatureNetwork:
    """Implements `server.segmentation.similar.searching.FeatureNetwork` on a network that other threads use as well."""

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
        self.n_channels = N_CHANNELS

    def encode(self, rgb: NDArray[np.uint8]) -> Features:
        """Return the encoder's output over the patch; see `FeatureNetwork`."""
        height, width = rgb.shape[:2]
        with self._turn(), torch.inference_mode(), checking_layers(self._predictor.model, self._check):
            self._predictor.set_image(pad_to_square(rgb, self.input_size))
            features = self._predictor.features[0].float().cpu().numpy()
        # A patch of less than the input fills only some of the cells.
        side = features.shape[1]
        rows, cols = (max(1, round(length * side / self.input_size)) for length in (height, width))
        shown: Features = features[:, :rows, :cols]
        return shown
