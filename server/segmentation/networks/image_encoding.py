"""Lets SAM's image encoder attend without ever holding the table of all scores, which fills memory and costs time."""

from __future__ import annotations

from collections.abc import Iterator
from types import MethodType
from typing import Any

import torch
from segment_anything.modeling.image_encoder import get_rel_pos
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

# Scores whose position bias is held at once. The CPU kernel works best on blocks of 256 queries, 2**20 scores each in a
# global block, and takes such blocks from 768 queries up; more than a few of them (over 32 MiB) go back to the system
# after every use, and getting the memory again costs as much as half of the attention.
CPU_SCORES_PER_THREAD = 2**20
CPU_LEAST_BLOCKS = 4
# On a GPU few large launches count more: 64 MiB in half precision.
GPU_SCORES = 2**25


def use_lean_attention(encoder: nn.Module) -> None:
    """Replace the attention of every block of a `segment_anything` image encoder, in place.

    The weights stay where they are, so the names of the state_dict, moves to a device and training work as before; the
    output differs by float rounding (about 1e-6 relative in float32).

    Args:
        encoder: `ImageEncoderViT`; each of its `blocks` has an `attn` of the package's class `Attention`.
    """
    blocks: Any = encoder.blocks
    for block in blocks:
        block.attn.forward = MethodType(_forward, block.attn)


def _forward(attention: Any, tokens: Tensor) -> Tensor:
    """Return what the package's `Attention.forward` returns: (B, H, W, C) for `tokens` of (B, H, W, C)."""
    batch, height, width, _ = tokens.shape
    heads = attention.num_heads
    parts = attention.qkv(tokens).reshape(batch, height * width, 3, heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = parts.reshape(3, batch * heads, height * width, -1).unbind(0)
    if attention.use_rel_pos:
        tables = _steps_table(attention.rel_pos_h, height), _steps_table(attention.rel_pos_w, width)
        mixed = _attend_with_bias(query, key, value, tables, attention.scale)
    else:
        mixed = scaled_dot_product_attention(query[None], key[None], value[None], scale=attention.scale)[0]
    mixed = mixed.view(batch, heads, height, width, -1).permute(0, 2, 3, 1, 4)
    output: Tensor = attention.proj(mixed.reshape(batch, height, width, -1))
    return output


def _steps_table(weights: Tensor, side: int) -> Tensor:
    """Return (side, D, side): the weights for a query in row i and a key in row j, that is `weights[i - j + side - 1]`.

    Args:
        weights: (2 * side - 1, D), one line per distance; another number of lines is interpolated by the package.
        side: rows (or columns) of the grid of tokens.
    """
    if weights.shape[0] != 2 * side - 1:
        resized: Tensor = get_rel_pos(side, side, weights).transpose(1, 2)
        return resized
    return weights.flip(0).unfold(0, side, 1).flip(0)  # windows instead of an index: nothing to send to the GPU


def _attend_with_bias(query: Tensor, key: Tensor, value: Tensor, tables: tuple[Tensor, Tensor], scale: float) -> Tensor:
    """Attend with the decomposed relative-position bias, by portions of heads or of query rows.

    Args:
        query: (S, H * W, D) for S sequences, one per window and head.
        key: as `query`.
        value: as `query`.
        tables: (H, D, H) for rows and (W, D, W) for columns, from `_steps_table`.
        scale: factor on the scores before the bias.

    Returns:
        (S, H * W, D).
    """
    height, width = tables[0].shape[0], tables[1].shape[0]
    grid = query.view(query.shape[0], height, width, -1)
    by_row = torch.einsum("shwc,hck->shwk", grid, tables[0])
    by_column = torch.einsum("shwc,wck->shwk", grid, tables[1])
    mixed = torch.empty_like(grid)  # not a list: small results between the biases would keep their memory from reuse
    for some, rows in _portions(query, height, width):
        arguments = (grid[some, rows], key[some], value[some], by_row[some, rows], by_column[some, rows], scale)
        if query.requires_grad:  # else autograd would keep the scores of every portion: the whole table after all
            mixed[some, rows] = checkpoint(_attend_portion, *arguments, use_reentrant=False)
        else:
            mixed[some, rows] = _attend_portion(*arguments)
    return mixed.view(query.shape)


def _portions(query: Tensor, height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Yield (sequences, query rows) in order; a portion has all rows of several sequences, or some rows of one."""
    cpu_limit = CPU_SCORES_PER_THREAD * max(CPU_LEAST_BLOCKS, torch.get_num_threads())
    limit = GPU_SCORES if query.is_cuda else cpu_limit
    length = height * width
    sequences = max(1, limit // length**2)
    rows = height if sequences > 1 else min(height, max(1, limit // (width * length)))
    for first in range(0, query.shape[0], sequences):
        for top in range(0, height, rows):
            yield slice(first, first + sequences), slice(top, top + rows)


def _attend_portion(
    query: Tensor, key: Tensor, value: Tensor, by_row: Tensor, by_column: Tensor, scale: float
) -> Tensor:
    """Return (S, R, W, D) for queries of that shape, keys and values (S, H * W, D) and biases (S, R, W, H or W)."""
    bias = (by_row[..., :, None] + by_column[..., None, :]).flatten(3).flatten(1, 2)
    mixed = scaled_dot_product_attention(query.flatten(1, 2)[None], key[None], value[None], bias[None], scale=scale)
    return mixed.view(query.shape)
