"""Low-rank additions to attention weights (LoRA, Hu et al. 2021), which can be added for good afterwards."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize

WEIGHT = "weight"
ADAPTED = "qkv"


class LowRankAddition(nn.Module):
    """Adds a product of two thin matrices to a weight (out, in); it begins as nothing."""

    def __init__(self, n_out: int, n_in: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, n_in) / n_in**0.5)
        self.up = nn.Parameter(torch.zeros(n_out, rank))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weight to compute with."""
        return weight + self.up @ self.down


def add_low_rank(encoder: nn.Module, rank: int) -> list[nn.Parameter]:
    """Add trainable matrices of `rank` to every `qkv` layer of an image encoder; return them."""
    added = []
    for layer in _adapted_layers(encoder):
        addition = LowRankAddition(layer.out_features, layer.in_features, rank).to(layer.weight.device)
        parametrize.register_parametrization(layer, WEIGHT, addition)
        added += [addition.down, addition.up]
    return added


def merge_low_rank(encoder: nn.Module) -> None:
    """Turn weights with additions into plain weights, under their old names."""
    for layer in _adapted_layers(encoder):
        if parametrize.is_parametrized(layer, WEIGHT):
            parametrize.remove_parametrizations(layer, WEIGHT, leave_parametrized=True)


def _adapted_layers(encoder: nn.Module) -> list[nn.Linear]:
    return [
        layer
        for name, layer in encoder.named_modules()
        if name.rpartition(".")[2] == ADAPTED and isinstance(layer, nn.Linear)
    ]
