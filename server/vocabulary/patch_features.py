"""Turns the image tower of a CLIP model into an encoder of places: one feature per patch instead of one per image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from server.vocabulary.attention import run_last_block
from server.vocabulary.last_block import LastBlock


def encode_patches(
    tower: Any, images: Tensor, variant: LastBlock = LastBlock.SEGEARTH, *, ignore_residual: bool = True
) -> tuple[Tensor, Tensor]:
    """Run a CLIP image tower up to its last block as it is, then the last block in a variant, `ln_post` and `proj`.

    Args:
        tower: open_clip's `VisionTransformer`.
        images: (B, 3, H, W), normalised; H and W are multiples of the patch size.
        variant: of the last block.
        ignore_residual: see `run_last_block`.

    Returns:
        Patch features (B, C, h, w), and (B, C) of the CLS token, which went through the same changed block.
    """
    patches = tower.conv1(images)
    n_images, width, rows, cols = patches.shape
    first = tower.class_embedding.to(patches.dtype).expand(n_images, 1, width)
    tokens = torch.cat([first, patches.flatten(2).mT], dim=1)
    tokens = tower.ln_pre(tokens + resize_positions(tower.positional_embedding, tower.grid_size, (rows, cols)))
    *blocks, last = tower.transformer.resblocks
    for block in blocks:
        tokens = block(tokens)
    tokens = run_last_block(last, tokens, variant, ignore_residual=ignore_residual)
    projected = tower.ln_post(tokens) @ tower.proj
    return projected[:, 1:].mT.reshape(n_images, -1, rows, cols), projected[:, 0]


def resize_positions(embedding: Tensor, trained: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """Return positional embeddings (1 + h w, D) for another grid of patches, bicubic; that of CLS stays.

    Args:
        embedding: (1 + rows x columns, D), CLS first.
        trained: its rows and columns.
        wanted: h and w.
    """
    if tuple(trained) == tuple(wanted):
        return embedding
    grid = embedding[1:].mT.reshape(1, -1, *trained)
    resized = functional.interpolate(grid, size=wanted, mode="bicubic", align_corners=False)
    return torch.cat([embedding[:1], resized.flatten(2)[0].mT])
