"""Decodes prompts of any kind on one image; what all of them share is computed once where the network lets it."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from server.segmentation.networks.embedded.mask_decoder import MaskDecoder
from server.segmentation.networks.embedded.prompt_encoder import PromptMaps

Encoded = tuple[torch.Tensor, torch.Tensor]


class PromptDecoder(Protocol):
    """Knows one image."""

    def decode(self, encoded: Encoded, *, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B, M, S, S) and predicted IoU (B, M).

        Args:
            encoded: what the prompt encoder made of B prompts.
            multimask: M is 3; otherwise 1.
        """
        ...


def start_decoder(network: nn.Module, embedding: torch.Tensor) -> PromptDecoder:
    """Return a decoder for an image whose embedding, (1, C, h, w), the image encoder returned."""
    if isinstance(network.mask_decoder, MaskDecoder):
        return _EmbeddedDecoder(network.mask_decoder, embedding)
    return _PlainDecoder(network, embedding)


class _PlainDecoder:
    """Any network with the parts of `segment_anything.modeling.Sam`."""

    def __init__(self, network: Any, embedding: torch.Tensor) -> None:
        self._network, self._embedding = network, embedding

    def decode(self, encoded: Encoded, *, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and predicted IoU; see `PromptDecoder`."""
        network = self._network
        low, quality = network.mask_decoder(
            image_embeddings=self._embedding,
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=encoded[0],
            dense_prompt_embeddings=encoded[1],
            multimask_output=multimask,
        )
        return low, quality


class _EmbeddedDecoder:
    """The embedded network: its share of the image is a tenth of the work for a few prompts."""

    def __init__(self, decoder: MaskDecoder, embedding: torch.Tensor) -> None:
        self._decoder, self._embedding = decoder, embedding
        self._shared = decoder.share(embedding)

    def decode(self, encoded: Encoded, *, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and predicted IoU; see `PromptDecoder`."""
        quality, features = self._decoder.rate_shared(self._shared, PromptMaps.split(encoded[1]))
        low = self._decoder.draw(self._embedding, features)
        if multimask:
            return low, quality
        best = quality.argmax(dim=1, keepdim=True)
        return low.take_along_dim(best[..., None, None], dim=1), quality.take_along_dim(best, dim=1)
