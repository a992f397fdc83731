"""Reads tensors by name from a file, safetensors or torch, and never runs code that a file brings along."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from server.errors import CheckpointMissing
from server.segmentation.networks.loading import UNREADABLE

SAFETENSORS_ENDING = ".safetensors"
# Where training programs keep the weights beside their own state.
NESTED_KEY = "state_dict"


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the header, empty for torch's own files, and the tensors by name, on the CPU.

    Raises:
        CheckpointMissing: the file is damaged, is a program, or holds anything but tensors and plain values.
    """
    if path.suffix == SAFETENSORS_ENDING:
        return _read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise CheckpointMissing(
            f"{path.name} cannot be read as weights: it is damaged, incomplete, or a program (TorchScript), which is "
            "never run here. Use the same weights as safetensors or as a plain state_dict.",
            "checkpoint",
        ) from error
    content = content.get(NESTED_KEY, content) if isinstance(content, dict) else content
    if not isinstance(content, dict):
        raise CheckpointMissing(f"{path.name} holds a {type(content).__name__}; expected a state_dict.", "checkpoint")
    return {}, {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return file.metadata() or {}, tensors
    except SafetensorError as error:
        raise CheckpointMissing(f"{path.name} is not a readable safetensors file: {error}.", "checkpoint") from error
