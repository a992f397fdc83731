"""What a checkpoint has to beat: a segmentation by colour alone, the filled box, and its own network untrained."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import sam_model_registry
from skimage.segmentation import felzenszwalb
from torch import nn

from server.segmentation.mask_records import MaskRecord, crop_mask
from server.segmentation.networks.embedded import EmbeddedSam, build_embedded_sam
from server.segmentation.networks.loading import KIND_BY_WIDTH

# Felzenszwalb and Huttenlocher's "k" for values 0..1: small, middle and large regions of aerial images.
SCALES = (50, 150, 450)
# Smoothing in pixels, and the least region in pixels, as the usual examples have them.
SIGMA, MIN_SIZE_PX = 0.8, 50


def segment_by_colour(rgb: NDArray[np.uint8]) -> list[NDArray[np.int64]]:
    """Return Felzenszwalb's segments of a scene, uint8 (H, W, 3): for each of `SCALES` ids (H, W) from 0."""
    return [np.asarray(felzenszwalb(rgb, scale=scale, sigma=SIGMA, min_size=MIN_SIZE_PX), np.int64) for scale in SCALES]


def list_segments(segments: NDArray[np.int64]) -> list[MaskRecord]:
    """Return segments (H, W) that cover a patch as one mask each."""
    records = []
    for number in np.unique(segments).tolist():
        cropped = crop_mask(segments == number)
        if cropped is not None:
            records.append(MaskRecord(cropped[0], cropped[1], 1.0, 1.0, (0.0, 0.0)))
    return records


def make_untrained(network: nn.Module) -> nn.Module:
    """Return a network of the same kind on the same device with the same random weights at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if isinstance(network, EmbeddedSam):
            untrained: nn.Module = build_embedded_sam(network.image_encoder.img_size)
        else:
            width = network.get_parameter("image_encoder.pos_embed").shape[-1]
            untrained = sam_model_registry[KIND_BY_WIDTH[width]]()
    device = next(network.parameters()).device
    return untrained.to(device).eval().requires_grad_(False)
