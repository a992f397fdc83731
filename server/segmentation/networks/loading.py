"""Reads a checkpoint file into a network, without ever running code that a file brings along."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import torch
from segment_anything import sam_model_registry
from torch import nn

from server.errors import BadParameter, CheckpointMissing
from server.segmentation.networks.checkpoints import EMBEDDED_ENDING, find_checkpoint
from server.segmentation.networks.image_encoding import use_lean_attention

# Width of the image encoder's position embedding, which tells the three official networks apart.
KIND_BY_WIDTH = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
WIDTH_KEY = "image_encoder.pos_embed"
# What torch's restricted unpickler raises for damaged bytes, beside its own refusal of code.
UNREADABLE = (
    pickle.PickleError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    struct.error,
)


def choose_device(wanted: str) -> torch.device:
    """Return the device for "auto", "cpu" or "cuda"; "auto" takes the GPU where there is one.

    Raises:
        BadParameter: "cuda" was asked for and there is no usable GPU.
    """
    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise BadParameter('Device "cuda" asked; this machine has no usable CUDA GPU. Use "auto" or "cpu".', "device")
    return torch.device("cuda" if has_gpu and wanted != "cpu" else "cpu")


def load_network(folder: Path, name: str, device: torch.device) -> nn.Module:
    """Load checkpoint `name` of `folder` onto `device`, ready for inference.

    Returns:
        A network with the parts and attributes of `segment_anything.modeling.Sam`.

    Raises:
        BadParameter: no checkpoint has that name.
        CheckpointMissing: the file is absent, damaged, of another network, or would run code when loaded.
    """
    path = find_checkpoint(folder, name)
    network = _load_embedded(path) if path.suffix == EMBEDDED_ENDING else load_official(path)
    return network.to(device).eval().requires_grad_(False)


def load_official(path: Path) -> nn.Module:
    """Load a `.pth` file in the format of the official SAM release; its kind is read from its own tensors.

    Raises:
        CheckpointMissing: see `load_network`.
    """
    weights = _read_weights(path)
    shape = weights[WIDTH_KEY].shape if WIDTH_KEY in weights else ()
    kind = KIND_BY_WIDTH.get(shape[-1]) if shape else None
    if kind is None:
        raise CheckpointMissing(
            f"{path.name} is not a SAM checkpoint: expected the tensors of ViT-B, ViT-L or ViT-H "
            f"with {WIDTH_KEY}; put an official or fine-tuned SAM file in its place.",
            "checkpoint",
        )
    network: nn.Module = sam_model_registry[kind]()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointMissing(
            f"{path.name} does not fit {kind}: {_first_line(error)} Put a complete SAM file in its place.", "checkpoint"
        ) from error
    use_lean_attention(network.get_submodule("image_encoder"))
    return network


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors by name; anything but plain tensors in plain containers is refused."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise CheckpointMissing(
            f"{path.name} cannot be read as weights: it is damaged, incomplete, or holds more than tensors. "
            "Download it again from a source you trust.",
            "checkpoint",
        ) from error
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise CheckpointMissing(
            f"{path.name} holds a {type(content).__name__} that is not a plain table of tensors; "
            "save the network's state_dict instead.",
            "checkpoint",
        )
    return content


def _load_embedded(path: Path) -> nn.Module:
    from server.segmentation.networks.embedded import (
        load_embedded_sam,  # imported on use: official files need none of it
    )

    return load_embedded_sam(path)


def _first_line(error: Exception) -> str:
    """Return what the mismatch is, without torch's list of every tensor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1][:200] if len(lines) > 1 else lines[0][:200]
