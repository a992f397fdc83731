"""Frozen backbones as training sees them: normalised pictures in, features out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from server.errors import BadParameter
from server.segmentation.networks.checkpoints import DEFAULT_CHECKPOINT
from server.segmentation.networks.embedded import load_embedded_sam
from server.segmentation.networks.embedded.image_encoder import EMBEDDING_CHANNELS
from server.vocabulary.clip import MEAN, STD, load_clip
from server.vocabulary.last_block import LastBlock

# Pixels per feature, and what the sides of its pictures are multiples of.
EMBEDDED_CELL, EMBEDDED_MULTIPLE = 8, 32


@dataclass(frozen=True)
class FrozenBackbone:
    """What an upsampler is trained for.

    Attributes:
        name: for the file's header.
        encode: (B, 3, H, W) normalised pictures to (B, C, H / cell, W / cell); H and W are multiples of `multiple`.
        n_channels: C.
        cell: pixels per feature along each side, a power of two.
        multiple: what sides of pictures are multiples of.
        mean: red, green, blue, 0..255, taken from pictures.
        std: what they are divided by then.
        device: on which it computes.
    """

    name: str
    encode: Callable[[Tensor], Tensor]
    n_channels: int
    cell: int
    multiple: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: torch.device

    @property
    def n_stages(self) -> int:
        """Doublings from features to pixels."""
        return self.cell.bit_length() - 1


def load_backbone(folder: Path, name: str, device: torch.device) -> FrozenBackbone:
    """Load a backbone from the checkpoint folder: the embedded encoder, or a CLIP model by its name.

    Raises:
        BadParameter: a feature of the CLIP model stands for a number of pixels that is no power of two.
        CheckpointMissing: the weights are not there or do not fit.
    """
    if name == DEFAULT_CHECKPOINT:
        return _load_embedded(folder, device)
    clip = load_clip(folder, name, device).with_last_block(LastBlock.XCLIP)
    if clip.stride & (clip.stride - 1):
        raise BadParameter(
            f"{name} has patches of {clip.stride} pixels; upsamplers double their features, so only patches of 8, 16 "
            "or 32 pixels can be upsampled. Choose another model, such as ViT-B-16.",
            "backbone",
        )
    return FrozenBackbone(
        name,
        lambda pictures: clip.encode_pictures(pictures)[0],
        clip.n_channels,
        clip.stride,
        clip.stride,
        MEAN,
        STD,
        device,
    )


def _load_embedded(folder: Path, device: torch.device) -> FrozenBackbone:
    network = load_embedded_sam(folder / f"{DEFAULT_CHECKPOINT}.safetensors").to(device).requires_grad_(False)
    mean, std = (tuple(values.flatten().tolist()) for values in (network.pixel_mean, network.pixel_std))
    return FrozenBackbone(
        DEFAULT_CHECKPOINT,
        network.image_encoder,
        EMBEDDING_CHANNELS,
        EMBEDDED_CELL,
        EMBEDDED_MULTIPLE,
        mean,
        std,
        device,
    )
