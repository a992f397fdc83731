"""Chooses the staged decoder that fits a network."""

from __future__ import annotations

from segment_anything.modeling import MaskDecoder
from torch import nn

from server.segmentation.networks.decoding.embedded import EmbeddedDecoder
from server.segmentation.networks.decoding.official import OfficialDecoder
from server.segmentation.networks.decoding.stages import StagedDecoder


def choose_decoder(network: nn.Module) -> StagedDecoder:
    """Return a decoder for `network`: an official SAM in its package's classes, or the embedded network."""
    if isinstance(network.mask_decoder, MaskDecoder):
        return OfficialDecoder(network)
    return EmbeddedDecoder(network)
