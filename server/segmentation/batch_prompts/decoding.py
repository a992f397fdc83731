"""Decodes prompts of any kind on one image; what all of them share is computed once where the network lets it."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from segment_anything.modeling import MaskDecoder as OfficialMaskDecoder
from torch import nn

from server.segmentation.networks.decoding.official import OfficialDecoder
from server.segmentation.networks.decoding.surroundings import PromptTensors, SurroundingsDecoder
from server.segmentation.networks.embedded.mask_decoder import MaskDecoder
from server.segmentation.networks.embedded.prompt_encoder import PromptMaps


class PromptDecoder(Protocol):
    """Knows one image."""

    def decode(self, prompts: PromptTensors, *, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B, M, S, S) and predicted IoU (B, M).

        Args:
            prompts: B of them.
            multimask: M is 3; otherwise 1.
        """
        ...


def start_decoder(network: Any, embedding: torch.Tensor) -> PromptDecoder:
    """Return a decoder for an image whose embedding, (1, C, h, w), the image encoder returned."""
    if isinstance(network.mask_decoder, MaskDecoder):
        return _EmbeddedDecoder(network, embedding)
    if isinstance(network.mask_decoder, OfficialMaskDecoder):
        return _OfficialDecoder(network, embedding)
    return _PlainDecoder(network, embedding)


class _PlainDecoder:
    """Any network with the parts of `segment_anything.modeling.Sam`."""

    def __init__(self, network: nn.Module, embedding: torch.Tensor) -> None:
        self._network: Any = network
        self._embedding = embedding

    def decode(self, prompts: PromptTensors, *, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and predicted IoU; see `PromptDecoder`."""
        network = self._network
        sparse, dense = network.prompt_encoder(points=prompts.points, boxes=prompts.boxes, masks=prompts.masks)
        low, quality = network.mask_decoder(
            image_embeddings=self._embedding,
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
        )
        return low, quality


class _OfficialDecoder:
    """SAM: as long as no masks are given, the image is the same for all prompts until they first look at it."""

    def __init__(self, network: nn.Module, embedding: torch.Tensor) -> None:
        self._network: Any = network
        self._plain = _PlainDecoder(network, embedding)
        self._decoder = OfficialDecoder(network)
        self._decoder.start(embedding)

    def decode(self, prompts: PromptTensors, *, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and predicted IoU; see `PromptDecoder`."""
        if prompts.masks is not None:
            return self._plain.decode(prompts, multimask=multimask)
        sparse, _ = self._network.prompt_encoder(points=prompts.points, boxes=prompts.boxes, masks=None)
        return self._decoder.decode(sparse, multimask=multimask)


class _EmbeddedDecoder:
    """The embedded network: what prompts share is computed once, and small boxes are asked in their surroundings."""

    def __init__(self, network: Any, embedding: torch.Tensor) -> None:
        self._prompt_encoder, self._decoder = network.prompt_encoder, network.mask_decoder
        self._embedding = embedding
        self._shared = self._decoder.share(embedding)
        self._surroundings = SurroundingsDecoder(self._decoder, self._prompt_encoder, self._shared, embedding)

    def decode(self, prompts: PromptTensors, *, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and predicted IoU; see `PromptDecoder`."""
        low, quality = self._decode_all(prompts)
        if multimask:
            return low, quality
        best = self._decoder.choose_single(quality, prompts.leave_doubt().to(quality.device))[:, None]
        return low.take_along_dim(best[..., None, None], dim=1), quality.take_along_dim(best, dim=1)

    def _decode_all(self, prompts: PromptTensors) -> tuple[torch.Tensor, torch.Tensor]:
        if prompts.boxes is None:
            return self._decode_whole(prompts)
        is_small = self._surroundings.find_small(prompts.boxes)
        small, large = is_small.nonzero()[:, 0], (~is_small).nonzero()[:, 0]
        answers = []
        if len(small):
            answers.append(self._surroundings.decode(prompts.select(small), prompts.boxes[small]))
        if len(large):
            answers.append(self._decode_whole(prompts.select(large)))
        order = torch.cat([small, large]).argsort()
        low, quality = (torch.cat(parts)[order] for parts in zip(*answers, strict=True))
        return low, quality

    def _decode_whole(self, prompts: PromptTensors) -> tuple[torch.Tensor, torch.Tensor]:
        _, dense = self._prompt_encoder(points=prompts.points, boxes=prompts.boxes, masks=prompts.masks)
        quality, features = self._decoder.rate_shared(self._shared, PromptMaps.split(dense))
        return self._decoder.draw(self._embedding, features), quality
