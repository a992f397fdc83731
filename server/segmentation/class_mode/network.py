"""Asks a network where the class is in one patch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.segmentation.class_mode.prompt_free import decode_without_prompt
from server.segmentation.networks.padded_patches import PaddedPatches
from server.segmentation.networks.precision import lower_precision


class SharedClassNetwork(PaddedPatches):
    """Implements `server.segmentation.class_mode.looking.ClassNetwork` on a network that other threads use as well."""

    def find_class(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits; see `ClassNetwork`."""
        height, width = rgb.shape[:2]
        with self.encoded(rgb) as predictor:
            with lower_precision(predictor.precision, predictor.device):
                low = decode_without_prompt(predictor.model, predictor.features)[0]
            full = predictor.model.postprocess_masks(low.float(), predictor.input_size, predictor.original_size)
            logits: NDArray[np.float32] = full[0, 0, :height, :width].cpu().numpy()
        return logits
