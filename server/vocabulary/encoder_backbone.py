"""The image encoder of a segmentation network, such as the embedded one, as a backbone of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from server.segmentation.networks.caching_predictor import CachingPredictor
from server.segmentation.networks.padded_patches import PaddedPatches
from server.vocabulary.backbones import DenseFeatures, normalise


class EncoderBackbone(PaddedPatches):
    """Implements `Backbone` on a network that other threads use as well.

    Its feature of the whole picture is the mean of all places, because the encoder has no token for it.
    """

    # Of the encoder's output, for the official networks and the embedded one alike.
    n_channels = 256

    def __init__(
        self,
        predictor: CachingPredictor,
        turn: Callable[[], AbstractContextManager[object]],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; see `PaddedPatches`."""
        super().__init__(predictor, turn, check)
        self.max_size: int | None = self.input_size
        self.stride: int = self.input_size // predictor.model.prompt_encoder.get_dense_pe().shape[-1]
        self._mean = tuple(predictor.model.pixel_mean.flatten().tolist())
        self._std = tuple(predictor.model.pixel_std.flatten().tolist())

    def encode(self, rgb: NDArray[np.uint8]) -> DenseFeatures:
        """Return features of a picture, uint8 (H, W, 3), padded to the right and below to whole cells."""
        with self.encoded(rgb) as predictor:
            features = predictor.features[0]
        rows, cols = (-(-length // self.stride) for length in rgb.shape[:2])
        # A copy made outside of inference mode may be trained on; it is also out of the predictor's cache.
        patches = features[:, :rows, :cols].float().clone(memory_format=torch.contiguous_format)
        picture = torch.from_numpy(normalise(rgb, self._mean, self._std)).to(patches.device)
        missing = rows * self.stride - rgb.shape[0], cols * self.stride - rgb.shape[1]
        picture = functional.pad(picture, (0, missing[1], 0, missing[0]))
        return DenseFeatures(patches, patches.mean(dim=(1, 2)), picture, 0, 0)
