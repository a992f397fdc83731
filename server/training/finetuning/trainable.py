"""Decides which weights fine-tuning may change, and keeps those apart from the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from server.training.finetuning.low_rank import add_low_rank
from server.training.finetuning.settings import Trained


@dataclass(frozen=True)
class TrainableParts:
    """The weights of one network that change.

    Attributes:
        parameters: by their names in the network.
    """

    parameters: dict[str, nn.Parameter]

    def copy(self) -> dict[str, torch.Tensor]:
        """Return the present values."""
        return {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def restore(self, values: dict[str, torch.Tensor]) -> None:
        """Put earlier values back."""
        for name, parameter in self.parameters.items():
            parameter.copy_(values[name])

    def make_optimizer(self, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
        """Return an optimiser that decays matrices and kernels only; biases and norms stay free."""
        decayed = [parameter for parameter in self.parameters.values() if parameter.ndim > 1]
        free = [parameter for parameter in self.parameters.values() if parameter.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=learning_rate)


def choose_trainable(network: Any, trained: Trained, lora_rank: int, seed: int) -> TrainableParts:
    """Let gradients reach what is to be trained and nothing else.

    Args:
        network: an official SAM or the embedded network; with "lora" its encoder gets additions.
        trained: see `FineTuningSettings`.
        lora_rank: see `FineTuningSettings`.
        seed: of the additions' first values.
    """
    network.requires_grad_(False)
    network.mask_decoder.requires_grad_(True)
    if trained == "lora":
        torch.manual_seed(seed)
        for parameter in add_low_rank(network.image_encoder, lora_rank):
            parameter.requires_grad_(True)
    elif trained == "everything":
        network.requires_grad_(True)
    return TrainableParts({name: item for name, item in network.named_parameters() if item.requires_grad})
