"""Writes a fine-tuned network where the service finds it: weights in an ordinary file, and a card beside them."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from server.errors import BadParameter
from server.segmentation.class_mode.prompt_free import has_single_mask
from server.segmentation.networks.cards import Card, write_card
from server.segmentation.networks.checkpoints import EMBEDDED_ENDING, SAM_ENDING, list_checkpoints
from server.segmentation.networks.embedded import save_embedded_sam
from server.segmentation.networks.loading import KIND_BY_WIDTH

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_new_name(folder: Path, name: str) -> None:
    """Make sure that a new checkpoint of `folder` can be called `name`.

    Raises:
        BadParameter: it is no plain name, or it is taken.
    """
    if not NAME.fullmatch(name):
        raise BadParameter(
            f'"{name[:80]}" cannot be the name of a checkpoint; use up to 64 letters, digits, ".", "_" and "-".', "out"
        )
    taken = [item.name for item in list_checkpoints(folder)]
    if name in taken or (folder / f"{name}.json").exists():
        raise BadParameter(
            f'A checkpoint called "{name}" is here already; choose another name, or delete its files in {folder}.',
            "out",
        )


def describe_kind(network: Any) -> str:
    """Return "embedded", "vit_b", "vit_l" or "vit_h"."""
    if not has_single_mask(network):
        return "embedded"
    return KIND_BY_WIDTH[network.image_encoder.pos_embed.shape[-1]]


def choose_file(network: Any, name: str) -> str:
    """Return the name of the weights file."""
    return name + (SAM_ENDING if has_single_mask(network) else EMBEDDED_ENDING)


def export(network: Any, card: Card, folder: Path) -> Path:
    """Write weights and card into `folder`, each whole or not at all; return the file of the weights.

    Official networks become a state_dict in the format of their release, so that `segment_anything.sam_model_registry`
    loads it; embedded ones become safetensors. Additions of low rank must have been merged.
    """
    path = folder / card.file
    draft = folder / f"{card.file}.part"
    try:
        if has_single_mask(network):
            torch.save({name: values.detach().cpu() for name, values in network.state_dict().items()}, draft)
        else:
            save_embedded_sam(network, draft, {name: str(value) for name, value in asdict(card).items()})
        write_card(card, folder)  # first, because weights without a card would be listed as something else
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path
