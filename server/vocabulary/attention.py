"""The last block of a CLIP image tower, changed so that every patch keeps telling about its own place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from server.vocabulary.last_block import LastBlock

# Which projections are compared with which: 0 is q, 1 is k, 2 is v.
_COMPARED = {
    LastBlock.SEGEARTH: ((0, 0), (1, 1), (2, 2)),
    LastBlock.VANILLA: ((0, 1),),
    LastBlock.SCLIP: ((0, 0), (1, 1)),
    LastBlock.CLEARCLIP: ((0, 0),),
}


def run_last_block(block: Any, tokens: Tensor, variant: LastBlock, *, ignore_residual: bool = True) -> Tensor:
    """Run the last residual attention block of a tower in one of its variants.

    Args:
        block: with `ln_1`, `attn` (torch's MultiheadAttention), `ln_2` and `mlp`, as open_clip builds it.
        tokens: (B, N, D), the input of the block, CLS first.
        variant: what it computes.
        ignore_residual: leave out both residual connections and the feed-forward part, as all variants but CLIP's own
            do; with False and `VANILLA` the block is CLIP's.

    Returns:
        (B, N, D).
    """
    if variant is LastBlock.XCLIP:
        return tokens
    attended = attend(block.attn, block.ln_1(tokens), variant)
    if ignore_residual:
        return attended
    tokens = tokens + block.ls_1(attended)
    with_feed_forward: Tensor = tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
    return with_feed_forward


def attend(layer: Any, tokens: Tensor, variant: LastBlock) -> Tensor:
    """Return (B, N, D): out_proj(A V) for the variant's A, per head.

    Args:
        layer: torch's MultiheadAttention with joint projections.
        tokens: (B, N, D), normalised.
        variant: any but `XCLIP`.
    """
    n_images, n_tokens, width = tokens.shape
    projected = functional.linear(tokens, layer.in_proj_weight, layer.in_proj_bias)
    # (3, B, heads, N, D / heads)
    parts = projected.reshape(n_images, n_tokens, 3, layer.num_heads, -1).permute(2, 0, 3, 1, 4)
    values = parts[2]
    mixed = values if variant is LastBlock.MASKCLIP else _weigh(parts, variant) @ values
    joined: Tensor = layer.out_proj(mixed.transpose(1, 2).reshape(n_images, n_tokens, width))
    return joined


def _weigh(parts: Tensor, variant: LastBlock) -> Tensor:
    """Return (B, heads, N, N): the sum of the variant's softmaxed similarities."""
    scale = parts.shape[-1] ** -0.5
    pairs = [(parts[left], parts[right]) for left, right in _COMPARED[variant]]
    weights = torch.softmax((pairs[0][0] * scale) @ pairs[0][1].mT, dim=-1)
    for left, right in pairs[1:]:
        weights = weights + torch.softmax((left * scale) @ right.mT, dim=-1)
    return weights
