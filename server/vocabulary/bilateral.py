"""One stage of the joint bilateral upsampler: twice as many features, whose borders follow those of the picture."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from server.vocabulary.block_plan import BLOCK, Axis, plan_axis

# Channels of the picture, and of the keys it is turned into: FeatUp's `JBULearnedRange`.
GUIDANCE_CHANNELS, KEY_CHANNELS = 3, 32
MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-4, 1e4
# Below it a sum of weights is not divided by.
MIN_SUM = 1e-7
# How much of the learned correction is added to the weights.
FIXUP_SHARE = 0.1


class BilateralStage(nn.Module):
    """Enlarges features twofold with weights learned from a picture.

    Its parameters have the names and shapes of FeatUp's published stages. The weights of a pixel p over its
    neighbours q are softmax(exp(range_temp) K(p) K(q)) times exp(-||d||^2 / (2 sigma_spatial^2)), d in [-1, 1]^2,
    normalised, plus a small correction by `fixup_proj` from the weights and the picture.
    """

    def __init__(self, radius: int) -> None:
        """Make a stage that looks at 2 `radius` + 1 fine pixels along each side."""
        super().__init__()
        self.radius = radius
        n_weights = (2 * radius + 1) ** 2
        self.range_temp = nn.Parameter(torch.tensor(0.0))
        self.sigma_spatial = nn.Parameter(torch.tensor(1.0))
        self.range_proj = _make_projection(GUIDANCE_CHANNELS, KEY_CHANNELS)
        self.fixup_proj = _make_projection(n_weights + GUIDANCE_CHANNELS, n_weights)

    def forward(self, features: Tensor, picture: Tensor) -> Tensor:
        """Return (B, C, 2h, 2w).

        Args:
            features: (B, C, h, w).
            picture: (B, 3, H, W), normalised; averaged to 2h x 2w.
        """
        return torch.cat(list(self.bands(features, picture)), dim=2)

    def bands(self, features: Tensor, picture: Tensor) -> Iterator[Tensor]:
        """Yield the same from top to bottom as bands (B, C, rows, 2w) of at most `BLOCK` rows.

        In training there is one band for everything, because dropout leaves out a channel of a whole map.
        """
        n_rows, n_cols = features.shape[2] * 2, features.shape[3] * 2
        guidance = functional.adaptive_avg_pool2d(picture, (n_rows, n_cols))
        down, across = (plan_axis(side, self.radius) for side in features.shape[2:])
        keys = self.range_proj(guidance)
        cells = features.movedim(1, -1).contiguous()
        per_band = down.n_blocks if self.training else 1
        for first in range(0, down.n_blocks, per_band):
            blocks = range(first, first + per_band)
            weights = self._weigh(guidance, keys, (down, across), blocks)
            band = _apply(weights, cells, (down, across), blocks)
            yield band[:, :, : n_rows - first * BLOCK, :n_cols]

    def _weigh(self, guidance: Tensor, keys: Tensor, axes: tuple[Axis, Axis], blocks: range) -> Tensor:
        """Return (B, n, m, BLOCK, BLOCK, k, k): weights of all pixels of n x m blocks, n rows of blocks of them."""
        side, n_taps = BLOCK + 2 * self.radius, 2 * self.radius + 1
        around = _cut(keys, axes, blocks)
        inner = slice(self.radius, self.radius + BLOCK)
        queries = around[..., inner, inner].flatten(-2)
        likeness = (queries.mT * self._temperature()) @ around.flatten(-2)
        likeness = likeness.reshape(*likeness.shape[:3], BLOCK, BLOCK, side, side)
        weights = torch.softmax(_take_neighbours(likeness, n_taps).flatten(-2), dim=-1) * self._spatial_weights()
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=MIN_SUM)
        colours = _cut(guidance, axes, blocks)[..., inner, inner].movedim(3, -1)
        weights = weights + FIXUP_SHARE * self._correct(torch.cat([weights, colours], dim=-1))
        return weights.reshape(*weights.shape[:-1], n_taps, n_taps)

    def _temperature(self) -> Tensor:
        return self.range_temp.exp().clamp(MIN_TEMPERATURE, MAX_TEMPERATURE)

    def _spatial_weights(self) -> Tensor:
        """Return (k * k,)."""
        sigma = self.sigma_spatial
        places = torch.linspace(-1, 1, 2 * self.radius + 1, device=sigma.device, dtype=sigma.dtype)
        squares = places[:, None] ** 2 + places**2
        return torch.exp(-squares / (2 * sigma**2)).flatten()

    def _correct(self, described: Tensor) -> Tensor:
        """Apply `fixup_proj` to (..., channels): 1x1 convolutions are matrix products, and channels may stay last."""
        first, activation, dropout, last = self.fixup_proj
        hidden: Tensor = activation(_mix_channels(first, described))
        if self.training:
            hidden = dropout(hidden.flatten(1, -2).mT[..., None])[..., 0].mT.reshape(hidden.shape)
        return _mix_channels(last, hidden)


def _make_projection(n_inputs: int, n_outputs: int) -> nn.Sequential:
    """Two 1x1 convolutions; their numbers, 0 and 3, are part of the published names."""
    return nn.Sequential(
        nn.Conv2d(n_inputs, n_outputs, 1), nn.GELU(), nn.Dropout2d(0.1), nn.Conv2d(n_outputs, n_outputs, 1)
    )


def _mix_channels(layer: nn.Module, values: Tensor) -> Tensor:
    """Apply a 1x1 convolution to (..., channels)."""
    return functional.linear(values, layer.get_parameter("weight")[:, :, 0, 0], layer.get_parameter("bias"))


def _take_neighbours(likeness: Tensor, n_taps: int) -> Tensor:
    """Return (..., BLOCK, BLOCK, k, k): what every pixel of a block has with its neighbours alone.

    A view: neighbours of pixel (i, j) begin at (i, j), so a step to the next pixel moves on its neighbours as well.

    Args:
        likeness: (..., BLOCK, BLOCK, S, S), contiguous: each pixel of a block with all pixels around the block.
        n_taps: k.
    """
    *outer, by_i, by_j, by_row, by_col = likeness.stride()
    shape = (*likeness.shape[:-2], n_taps, n_taps)
    return likeness.as_strided(shape, (*outer, by_i + by_row, by_j + by_col, by_row, by_col))


def _cut(fine: Tensor, axes: tuple[Axis, Axis], blocks: range) -> Tensor:
    """Return (B, n, m, C, S, S): the pixels around each block of n rows of m blocks, S = BLOCK + 2 radius.

    Args:
        fine: (B, C, 2h, 2w).
        axes: downwards and across.
        blocks: which rows of blocks.
    """
    down, across = axes
    side = len(across.taps) - (across.n_blocks - 1) * BLOCK
    rows = down.taps[blocks.start * BLOCK : (blocks.stop - 1) * BLOCK + side].to(fine.device)
    padded = fine[:, :, rows][:, :, :, across.taps.to(fine.device)]
    return padded.unfold(2, side, BLOCK).unfold(3, side, BLOCK).movedim(1, 3)


def _apply(weights: Tensor, cells: Tensor, axes: tuple[Axis, Axis], blocks: range) -> Tensor:
    """Return (B, C, n BLOCK, m BLOCK): weighted sums of bicubically enlarged and mirrored features.

    Args:
        weights: (B, n, m, BLOCK, BLOCK, k, k) over enlarged features.
        cells: (B, h, w, C), the features that are to be enlarged.
        axes: downwards and across.
        blocks: which n rows of blocks.
    """
    rows, row_mixing = _cells_of(axes[0], blocks, cells.device)
    cols, col_mixing = _cells_of(axes[1], range(axes[1].n_blocks), cells.device)
    # Weights over enlarged features become weights over the few cells these were enlarged from.
    weights = torch.einsum("bnmijuv,mjvx->bnmijux", weights, col_mixing.to(weights.dtype))
    weights = torch.einsum("bnmijux,niuy->bnmijyx", weights, row_mixing.to(weights.dtype))
    needed = cells[:, rows[:, None, :, None], cols[None, :, None, :]]
    summed = weights.flatten(5).flatten(3, 4) @ needed.flatten(3, 4)
    n_images, n_rows, n_cols = summed.shape[:3]
    placed = summed.reshape(n_images, n_rows, n_cols, BLOCK, BLOCK, -1).transpose(2, 3)
    return placed.reshape(n_images, n_rows * BLOCK, n_cols * BLOCK, -1).movedim(-1, 1)


def _cells_of(axis: Axis, blocks: range, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return (n, cells) numbers of the coarse cells that n blocks need, and what they add to each tap."""
    part = slice(blocks.start, blocks.stop)
    cells = axis.starts[part, None] + torch.arange(axis.n_cells)
    return cells.to(device), axis.mixing[part].to(device)
