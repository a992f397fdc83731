"""One mask without any prompt: what the class mode asks of a network, in training and in use alike."""

from __future__ import annotations

from typing import Any

import torch
from segment_anything.modeling import MaskDecoder


def has_single_mask(network: Any) -> bool:
    """Tell whether the decoder has a mask of its own for prompts that are not ambiguous, as official ones do."""
    return isinstance(network.mask_decoder, MaskDecoder)


def decode_without_prompt(network: Any, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mask that stands for the class.

    It is always the same of the decoder's masks: choosing by predicted IoU would differ from window to window, and
    leave training without a mask to improve.

    Args:
        network: an official SAM or the embedded network.
        embedding: (1, C, h, w), the encoder's output for one image.

    Returns:
        Logits (1, 1, S', S') at the decoder's own resolution, and predicted IoU (1, 1).
    """
    sparse, dense = network.prompt_encoder(points=None, boxes=None, masks=None)
    logits, quality = network.mask_decoder(
        image_embeddings=embedding,
        image_pe=network.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=not has_single_mask(network),
    )
    return logits[:, :1], quality[:, :1]
