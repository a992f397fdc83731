"""Runs a network forward in training: an image to its embedding, an embedding and prompts to masks and a loss."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from server.segmentation.class_mode.prompt_free import decode_without_prompt, has_single_mask
from server.training.finetuning.losses import LossWeights, class_losses
from server.training.finetuning.prompts import PromptedMasks
from server.training.losses import Losses

Answer = tuple[torch.Tensor, torch.Tensor]


def encode(network: Any, rgb: NDArray[np.uint8]) -> torch.Tensor:
    """Return the embedding (1, C, h, w) of an image uint8 (S, S, 3) of the network's input size."""
    image = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float().to(network.device)
    with short_numbers(network.device):
        embedding: torch.Tensor = network.image_encoder(network.preprocess(image))
    return embedding.float()


def answer(network: Any, embedding: torch.Tensor, prompts: PromptedMasks) -> Answer:
    """Return logits (P, M, h, w) and predicted IoU (P, M); the decoder's factor on logits is taken back.

    The embedded network multiplies its logits so that stability scores compare with SAM's; a loss on such numbers would
    only see the few pixels at the outline.
    """
    device = network.device
    if prompts.is_class_mode:
        logits, quality = decode_without_prompt(network, embedding)
    else:
        points = None
        if prompts.clicks is not None:
            clicks = torch.from_numpy(prompts.clicks).to(device)
            points = (clicks, torch.ones(clicks.shape[:2], dtype=torch.int64, device=device))
        boxes = None if prompts.boxes is None else torch.from_numpy(prompts.boxes).to(device)
        sparse, dense = network.prompt_encoder(points=points, boxes=boxes, masks=None)
        logits, quality = network.mask_decoder(
            image_embeddings=embedding,
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=not has_single_mask(network),
        )
    gain = 1.0 if has_single_mask(network) else network.mask_decoder.logit_gain
    return logits.float() / gain, quality.float()


def compute_losses(network: Any, embedding: torch.Tensor, prompts: PromptedMasks, weights: LossWeights) -> Losses:
    """Run the prompts of one view forward and compare the masks with what was meant."""
    with short_numbers(network.device):
        logits, quality = answer(network, embedding.to(network.device), prompts)
    side = logits.shape[-1]
    targets = reduce_masks(prompts.masks, side).to(logits.device)
    known = reduce_masks(prompts.known[None], side).to(logits.device).expand(len(targets), -1, -1, -1)
    return class_losses(logits, quality, targets, known, weights)


def reduce_masks(masks: NDArray[np.bool_], side: int) -> torch.Tensor:
    """Return bool (P, S, S) as float (P, 1, side, side), the covered share of each pixel."""
    return functional.avg_pool2d(torch.from_numpy(masks)[:, None].float(), masks.shape[-1] // side)


def short_numbers(device: torch.device) -> AbstractContextManager[object]:
    """Return a context that computes in bfloat16 on a GPU that has it; it needs no scaling of the loss."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
