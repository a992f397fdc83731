"""The networks that only training needs: what shrinks features again, doubts them, and paints the picture from them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BLUR_TAPS, BLUR_SIGMA = 5, 1.0
DROPOUT = 0.2
LEAST_SCALE = 1e-4
SCALE_SHIFT = 0.1
RETENTION_CHANNELS = 128


class AttentionDownsampler(nn.Module):
    """Turns upsampled features into what the backbone would say: an attentive mean over each of its cells."""

    def __init__(self, n_channels: int, cell: int) -> None:
        """Make a downsampler for cells of `cell` x `cell` pixels."""
        super().__init__()
        self.cell = cell
        self.attend = nn.Conv2d(n_channels, 1, 1)
        self.gain = nn.Parameter(torch.ones(cell * cell))
        self.shift = nn.Parameter(torch.zeros(cell * cell))
        self.register_buffer("taps", _gaussian_taps(), persistent=False)

    def forward(self, planes: Tensor, attention: Tensor) -> Tensor:
        """Return (B, N, H / cell, W / cell).

        Args:
            planes: (B, N, H, W), features or linear combinations of them: every plane is averaged alike.
            attention: (B, 1, H, W), what `attend` says of the features.
        """
        attention = self._cut(self._blur(attention))[:, 0]
        if self.training:
            kept = torch.rand_like(attention[..., 0]) > DROPOUT
            attention = attention * kept[..., None]
        weights = torch.softmax(attention * self.gain + self.shift, dim=-1)
        return (self._cut(self._blur(planes)) * weights[:, None]).sum(-1)

    def _blur(self, features: Tensor) -> Tensor:
        n_channels, pad = features.shape[1], BLUR_TAPS // 2
        taps = self.get_buffer("taps").to(features.dtype)
        padded = functional.pad(features, (pad, pad, pad, pad), mode="reflect")
        across = functional.conv2d(padded, taps.view(1, 1, 1, -1).repeat(n_channels, 1, 1, 1), groups=n_channels)
        return functional.conv2d(across, taps.view(1, 1, -1, 1).repeat(n_channels, 1, 1, 1), groups=n_channels)

    def _cut(self, planes: Tensor) -> Tensor:
        """Return (B, C, h, w, cell * cell)."""
        return planes.unfold(2, self.cell, self.cell).unfold(3, self.cell, self.cell).flatten(-2)


def _gaussian_taps() -> Tensor:
    places = torch.arange(BLUR_TAPS) - BLUR_TAPS // 2
    taps = torch.exp(-(places**2) / (2 * BLUR_SIGMA**2))
    return taps / taps.sum()


class Doubt(nn.Module):
    """Says how far the backbone's features may be off at each cell, so that odd ones weigh less."""

    def __init__(self, n_channels: int) -> None:
        """Make it for features of `n_channels`."""
        super().__init__()
        self.look = nn.Conv2d(n_channels, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the scale (B, 1, h, w), above 0, from (B, C, h, w)."""
        scale: Tensor = torch.exp(self.look(features) + SCALE_SHIFT).clamp(min=LEAST_SCALE)
        return scale


class ContentRetention(nn.Module):
    """Paints the picture from upsampled features, which can only succeed where they keep its detail."""

    def __init__(self, n_channels: int) -> None:
        """Make it for features of `n_channels`."""
        super().__init__()
        self.first = nn.Conv2d(n_channels, RETENTION_CHANNELS, 1)
        self.norm = nn.LayerNorm(RETENTION_CHANNELS)
        self.last = nn.Conv2d(RETENTION_CHANNELS, 3, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return a normalised picture (B, 3, H, W), within -1..1, from what `first` makes of the features."""
        hidden = self.norm(hidden.movedim(1, -1)).movedim(-1, 1)
        return torch.tanh(self.last(functional.gelu(hidden)))
