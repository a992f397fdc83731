"""The embedded checkpoint's file: safetensors in float16, which holds numbers and cannot execute anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from server.errors import CheckpointMissing
from server.segmentation.networks.embedded.model import EmbeddedSam, build_embedded_sam

FORMAT = "segment-anything-rs embedded sam"
VERSION = "3"
ARCHITECTURE = "dense prompt maps, a rating stage at strides 8 to 32, a drawing stage to stride 2; input 512"


def save_embedded_sam(model: EmbeddedSam, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the weights in float16; `metadata` joins the format's name and version in the header."""
    tensors = {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in model.state_dict().items()}
    described = {"format": FORMAT, "version": VERSION, "architecture": ARCHITECTURE}
    save_file(tensors, path, metadata={**metadata, **described})


def load_embedded_sam(path: Path) -> EmbeddedSam:
    """Read the weights into a network in evaluation mode, float32, on the CPU.

    Raises:
        CheckpointMissing: the file is absent, damaged, or made for another network.
    """
    header, tensors = _read(path)
    if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
        found = f'"{header.get("format")}" version {header.get("version")}'
        raise CheckpointMissing(f'{path.name} holds {found}; expected "{FORMAT}" version {VERSION}.')
    model = build_embedded_sam()
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointMissing(f"{path.name} was made for another network: {str(error).splitlines()[-1]}") from error
    # Channels last makes the convolutions on a processor a third faster.
    return model.eval().to(memory_format=torch.channels_last)


def load_fitting_weights(model: EmbeddedSam, path: Path) -> list[str]:
    """Copy those tensors of a file, of any version, that have the name and shape of one of `model`.

    Returns:
        The names of the parts of `model` that keep their own values.

    Raises:
        CheckpointMissing: the file is absent or not readable.
    """
    own = model.state_dict()
    fitting = {name: value for name, value in _read(path)[1].items() if name in own and own[name].shape == value.shape}
    model.load_state_dict(fitting, strict=False)
    return sorted(own.keys() - fitting.keys())


def _read(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Return header and tensors of a file, those in float32."""
    if not path.is_file():
        raise CheckpointMissing(f"The embedded checkpoint {path.name} is missing; restore it from the repository.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
            header = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointMissing(f"{path.name} is not a readable safetensors file: {error}.") from error
    return header, tensors
