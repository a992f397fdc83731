"""Encoder outputs of a shared network as features of places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.segmentation.networks.padded_patches import PaddedPatches
from server.segmentation.similar.descriptors import Features


class SharedFeatureNetwork(PaddedPatches):
    """Implements `server.segmentation.similar.searching.FeatureNetwork` on a network that other threads use as well."""

    # Of the encoder's output, for the official networks and the embedded one alike.
    n_channels = 256

    def encode(self, rgb: NDArray[np.uint8]) -> Features:
        """Return the encoder's output over the patch; see `FeatureNetwork`."""
        with self.encoded(rgb) as predictor:
            features = predictor.features[0].float().cpu().numpy()
        # A patch of less than the input fills only some of the cells.
        side = features.shape[1]
        rows, cols = (max(1, round(length * side / self.input_size)) for length in rgb.shape[:2])
        shown: Features = features[:, :rows, :cols]
        return shown
