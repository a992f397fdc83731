"""Decodes clicks on the embedded network, whose mask decoder already works in two stages."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from server.segmentation.networks.decoding.stages import RatedClicks


class EmbeddedDecoder:
    """Implements `StagedDecoder` for the embedded network."""

    def __init__(self, network: nn.Module) -> None:
        self._prompt_encoder: Any = network.prompt_encoder
        self._decoder: Any = network.mask_decoder

    def start(self, image_embedding: torch.Tensor) -> None:
        """Take a new image; see `StagedDecoder`."""
        self._image_embedding = image_embedding
        self._shared = self._decoder.share(image_embedding)

    def rate(self, points: torch.Tensor) -> RatedClicks:
        """Return predicted IoUs; see `StagedDecoder`."""
        quality, features = self._decoder.rate_shared(self._shared, self._prompt_encoder.encode_clicks(points))
        return RatedClicks(quality.float(), (features,))

    def draw(self, rated: RatedClicks) -> torch.Tensor:
        """Return the logits; see `StagedDecoder`."""
        logits: torch.Tensor = self._decoder.draw(self._image_embedding, *rated.features)
        return logits.float()
