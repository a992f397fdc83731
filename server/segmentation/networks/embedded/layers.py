"""Blocks that encoder and decoder share: residual convolutions, and attention that knows no fixed image size."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn import functional

N_NORM_GROUPS = 8


def make_norm(channels: int) -> nn.GroupNorm:
    """Return a normalisation that does not depend on the batch, so that one prompt gives the same mask as sixty."""
    return nn.GroupNorm(N_NORM_GROUPS, channels)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a skip connection; (B, C, H, W) in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = make_norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = make_norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` plus what the convolutions add."""
        inner = self.conv1(functional.gelu(self.norm1(x)))
        added: torch.Tensor = self.conv2(functional.gelu(self.norm2(inner)))
        return x + added


class AttentionBlock(nn.Module):
    """Self-attention over all positions and a feed-forward part; (B, C, H, W) in and out.

    A depthwise convolution tells positions apart (conditional position encoding, Chu et al. 2021), so that the
    block works for any H and W.
    """

    def __init__(self, channels: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1 = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, 2 * channels)
        self.shrink = nn.Linear(2 * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Let every position look at all others."""
        batch, channels, height, width = x.shape
        x = x + self.position(x)
        tokens: torch.Tensor = x.flatten(2).transpose(1, 2)
        heads = (batch, height * width, 3, self.n_heads, channels // self.n_heads)
        query, key, value = self.qkv(self.norm1(tokens)).reshape(heads).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.out(seen.transpose(1, 2).reshape(batch, height * width, channels))
        tokens = tokens + self.shrink(functional.gelu(self.expand(self.norm2(tokens))))
        return tokens.transpose(1, 2).reshape(batch, channels, height, width)


def project(convolution: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """Apply a convolution of 1 x 1 pixels to (B, C, H, W) as a product of matrices; the result has channels last.

    For the few channels of maps that is five times as fast. Where `x` has fewer channels than the convolution, the
    others count as empty.
    """
    weight, bias = convolution.weight.flatten(1)[:, : x.shape[1]], cast("torch.Tensor", convolution.bias)
    tokens = torch.bmm(x.flatten(2).transpose(1, 2), weight.T.expand(len(x), -1, -1)).add_(bias)
    return tokens.transpose(1, 2).view(len(x), -1, *x.shape[2:])
