"""The image encoder: a residual network with attention at stride 32 and a feature pyramid back to stride 8."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from server.segmentation.networks.embedded.layers import AttentionBlock, ResidualBlock, make_norm

# Channels and residual blocks at strides 4, 8 and 16; the deepest level, stride 32, has attention blocks instead.
LEVELS = ((48, 2), (96, 3), (160, 2))
DEEP_CHANNELS, N_ATTENTION_BLOCKS, N_HEADS = 224, 2, 7
STEM_CHANNELS = 32
FEATURE_CHANNELS = 128
DETAIL_CHANNELS = 32
# What leaves the encoder: stride-8 features, and stride-4 detail with its four neighbours unshuffled into channels.
EMBEDDING_CHANNELS = FEATURE_CHANNELS + 4 * DETAIL_CHANNELS


class ImageEncoder(nn.Module):
    """Normalised images (B, 3, S, S) to embeddings (B, 256, S/8, S/8); S is a multiple of 32."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.img_size = input_size  # SamPredictor reads it under this name
        self.stem = nn.Conv2d(3, STEM_CHANNELS, 5, stride=2, padding=2)
        widths = [STEM_CHANNELS, *(channels for channels, _ in LEVELS), DEEP_CHANNELS]
        self.downs = nn.ModuleList(
            nn.Sequential(make_norm(before), nn.GELU(), nn.Conv2d(before, after, 3, stride=2, padding=1))
            for before, after in pairwise(widths)
        )
        self.levels = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(channels) for _ in range(n_blocks))) for channels, n_blocks in LEVELS
        )
        self.deep = nn.Sequential(*(AttentionBlock(DEEP_CHANNELS, N_HEADS) for _ in range(N_ATTENTION_BLOCKS)))
        self.laterals = nn.ModuleList(nn.Conv2d(channels, FEATURE_CHANNELS, 1) for channels in widths[2:])
        self.smooth = ResidualBlock(FEATURE_CHANNELS)
        self.detail = nn.Conv2d(widths[1], DETAIL_CHANNELS, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images; see the class for shapes."""
        stride4 = self.levels[0](self.downs[0](self.stem(images)))
        stride8 = self.levels[1](self.downs[1](stride4))
        stride16 = self.levels[2](self.downs[2](stride8))
        stride32 = self.deep(self.downs[3](stride16))
        features = self.laterals[2](stride32)
        for lateral, level in ((self.laterals[1], stride16), (self.laterals[0], stride8)):
            features = functional.interpolate(features, scale_factor=2.0, mode="bilinear") + lateral(level)
        detail = functional.pixel_unshuffle(self.detail(stride4), 2)
        return torch.cat([self.smooth(features), detail], dim=1)
