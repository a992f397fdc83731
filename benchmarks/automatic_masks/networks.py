"""The networks under both generators: the embedded checkpoint, and random ViTs that behave like trained ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.utils.amg import build_point_grid, calculate_stability_score
from torch.nn import functional

from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.networks.loading import load_network
from server.segmentation.parameters import MaskGeneratorSettings

SEED = 20261121
PROBE_POINTS_PER_SIDE = 6
# Shares that pass each filter; together one third of all masks survive, and both filters are at work.
PASS_PRED_IOU = 0.4
PASS_STABILITY = 5 / 6
# What the random decoder's outputs are moved to: logits with clear outlines, small masks, ratings around 0.85.
LOGIT_STD = 20.0
POSITIVE_SHARE = 0.05
RATING_MEAN, RATING_STD = 0.85, 0.08


@dataclass(frozen=True)
class Subject:
    """A network to measure with.

    Attributes:
        name: "embedded", "vit_b" or "vit_h".
        folder: where its checkpoint file lies.
        checkpoint: its name there.
        thresholds: settings that let about a third of the probed masks pass.
    """

    name: str
    folder: Path
    checkpoint: str
    thresholds: MaskGeneratorSettings

    def load(self, device: torch.device) -> Any:
        """Return the network on `device`, ready for inference."""
        return load_network(self.folder, self.checkpoint, device)

    @property
    def default_settings(self) -> MaskGeneratorSettings:
        """What counts as the default parameters: a random network's ratings need thresholds of their own."""
        return self.thresholds if self.is_random else MaskGeneratorSettings()

    @property
    def is_random(self) -> bool:
        """Tell whether the weights were never trained."""
        return self.name != "embedded"


@contextmanager
def prepared_subject(name: str, probe_rgb: NDArray[np.uint8], device: torch.device) -> Iterator[Subject]:
    """Make the checkpoint `name` and its thresholds; a random network's file lives as long as the context.

    Args:
        name: "embedded", "vit_b" or "vit_h".
        probe_rgb: uint8 (H, W, 3), the image on which outputs are looked at to choose thresholds.
        device: where the probe runs.
    """
    with TemporaryDirectory() as temporary:
        folder, checkpoint = Path(temporary), f"random_{name}"
        if name == "embedded":
            folder, checkpoint = CHECKPOINT_FOLDER, name
        else:
            write_random_checkpoint(folder / f"{checkpoint}.pth", name, probe_rgb, device)
        network = load_network(folder, checkpoint, device)
        yield Subject(name, folder, checkpoint, _choose_thresholds(network, probe_rgb))


def write_random_checkpoint(path: Path, kind: str, probe_rgb: NDArray[np.uint8], device: torch.device) -> None:
    """Write a seeded random network of an official kind in the official file format.

    Fresh weights give logits near zero all over the image and equal ratings. Only the last layers are scaled and
    shifted, so that masks have outlines and sizes and ratings differ; every shape and every cost stays as released.
    """
    torch.manual_seed(SEED)
    network = sam_model_registry[kind]().to(device).eval().requires_grad_(False)
    logits, ratings = _probe(network, probe_rgb)
    decoder = network.mask_decoder
    gain = LOGIT_STD / float(logits.std(dim=(2, 3)).mean())
    positive_above = float(np.quantile(logits[..., ::4, ::4].cpu().numpy(), 1 - POSITIVE_SHARE))
    constant = decoder.output_upscaling[3]  # channel 0 becomes the constant GELU(1), which carries the shift
    constant.weight[:, 0] = 0.0
    constant.bias[0] = 1.0
    for branch in decoder.output_hypernetworks_mlps:
        last = branch.layers[-1]
        last.weight.mul_(gain)
        last.bias.mul_(gain)
        last.weight[0] = 0.0
        last.bias[0] = -positive_above * gain / float(functional.gelu(torch.tensor(1.0)))
    rating = decoder.iou_prediction_head.layers[-1]
    stretch = RATING_STD / float(ratings.std())
    rating.weight.mul_(stretch)
    rating.bias.copy_(rating.bias * stretch + RATING_MEAN - stretch * float(ratings.mean()))
    torch.save(network.state_dict(), path)


def _probe(network: Any, rgb: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return low-resolution logits (B, 3, h, w) and ratings (B, 3) of a coarse grid of clicks."""
    side = network.image_encoder.img_size
    points = torch.as_tensor(build_point_grid(PROBE_POINTS_PER_SIDE) * side, dtype=torch.float32)[:, None]
    predictor = SamPredictor(network)
    predictor.set_image(rgb)
    with torch.inference_mode():
        points = points.to(predictor.device)
        labels = torch.ones(points.shape[:2], device=points.device)
        sparse, dense = network.prompt_encoder(points=(points, labels), boxes=None, masks=None)
        logits, ratings = network.mask_decoder(
            image_embeddings=predictor.features,
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
    return logits, ratings


def _choose_thresholds(network: Any, rgb: NDArray[np.uint8]) -> MaskGeneratorSettings:
    """Return settings whose two thresholds let a third of the probed masks pass."""
    logits, ratings = _probe(network, rgb)
    settings = MaskGeneratorSettings()
    rating_limit = float(torch.quantile(ratings.flatten(), 1 - PASS_PRED_IOU))
    rated = logits.flatten(0, 1)[ratings.flatten() > rating_limit]
    # Upsampling smooths the extremes of low-resolution logits, so stability counts only at the network's input size.
    side = network.image_encoder.img_size
    rated = functional.interpolate(rated[:, None], (side, side), mode="bilinear", align_corners=False)[:, 0]
    stability = calculate_stability_score(rated, 0.0, settings.stability_score_offset)
    stability_limit = float(torch.quantile(stability.nan_to_num(0.0), 1 - PASS_STABILITY))
    return dataclasses.replace(
        settings,
        pred_iou_thresh=round(rating_limit, 4),
        stability_score_thresh=round(stability_limit, 4),
    )
