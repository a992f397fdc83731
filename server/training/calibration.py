"""Last step of training: makes SAM's default thresholds mean something for a network with softer masks than SAM."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from segment_anything import SamPredictor
from torch import nn
from torch.nn import functional

from server.segmentation.networks.embedded import EmbeddedSam
from server.training.labelled_images import UNKNOWN, LabelledImage, object_ids
from server.training.losses import mask_ious, to_mask_resolution
from server.training.prompts import centre_click

MAX_CLICKS_PER_IMAGE = 24
# A mask this good should pass SAM's default stability threshold of 0.95 in three of four cases.
GOOD_IOU, STABILITY_THRESHOLD, PASSING_SHARE = 0.6, 0.95, 0.75
MAX_GAIN = 32.0
# This expected IoU is given the predicted IoU 0.88, SAM's default threshold.
EXPECTED_IOU_AT_DEFAULT, DEFAULT_THRESHOLD = 0.55, 0.88


@dataclass(frozen=True)
class Answer:
    """What the network said to one click.

    Attributes:
        logits: (1, 1, h, w), the chosen mask.
        iou: with what was meant.
        quality: predicted IoU of the mask, 0..1.
    """

    logits: torch.Tensor
    iou: float
    quality: float


def take_back_calibration(network: EmbeddedSam) -> None:
    """Make a calibrated network fit for training again: masks keep their borders, predicted IoU its values.

    The factor that sharpens finished masks would make the loss of every uncertain pixel as many times larger.
    """
    decoder = network.mask_decoder
    with torch.no_grad():
        cast("nn.Linear", decoder.quality[-1]).bias.add_(decoder.quality_shift.mean())
        decoder.quality_shift.zero_()
        decoder.logit_gain.fill_(1.0)
        network.prompt_encoder.logit_gain.fill_(1.0)


def calibrate(network: EmbeddedSam, images: Sequence[LabelledImage]) -> None:
    """Set the network's gain and rating shift from one centre click per object of `images`, squares of its input size.

    Nothing is added to the logits: the shift that fits depends on how large objects are and how they were outlined.
    One that was best on crops for training lowered the IoU of masks on most imagery the network had not seen.
    """
    network.set_calibration(1.0, 0.0)
    answers = [answer for image in images for answer in _click_on_everything(network, image)]
    good = [answer.logits for answer in answers if answer.iou > GOOD_IOU]
    quality_shift = find_quality_shift([answer.quality for answer in answers], [answer.iou for answer in answers])
    network.set_calibration(find_gain(good), quality_shift)


def find_quality_shift(qualities: Sequence[float], ious: Sequence[float]) -> float:
    """Return what to add to the log-odds of predicted IoUs so that the default threshold means the expected IoU.

    The expected IoU is a straight line over the log-odds of what was predicted, fitted to all answers. Where that line
    does not rise, predictions tell nothing and are taken at their word.
    """
    odds = np.array([_log_odds(min(max(quality, 1e-4), 1 - 1e-4)) for quality in qualities])
    slope, start = np.polyfit(odds, ious, 1)
    meant = (EXPECTED_IOU_AT_DEFAULT - start) / slope if slope > 0.01 else _log_odds(EXPECTED_IOU_AT_DEFAULT)
    return _log_odds(DEFAULT_THRESHOLD) - float(meant)


def find_gain(logits: Sequence[torch.Tensor]) -> float:
    """Return the smallest factor, at least 1, with which enough of these masks are stable; 1 without masks."""
    for gain in np.linspace(1, MAX_GAIN, 63):
        n_stable = sum(stability(one * gain) >= STABILITY_THRESHOLD for one in logits)
        if n_stable >= PASSING_SHARE * len(logits):
            return float(gain)
    return MAX_GAIN


def stability(logits: torch.Tensor, offset: float = 1.0) -> float:
    """Return SAM's stability score: how many pixels remain when the threshold rises from -offset to +offset."""
    below = int((logits > -offset).sum())
    return int((logits > offset).sum()) / below if below else 0.0


def _click_on_everything(network: EmbeddedSam, image: LabelledImage) -> Iterator[Answer]:
    predictor = SamPredictor(network)
    predictor.set_image(image.rgb)
    known = to_mask_resolution(torch.from_numpy(image.labels != UNKNOWN)[None])
    for label in object_ids(image.labels)[:MAX_CLICKS_PER_IMAGE]:
        meant = image.labels == label
        _, quality, logits = predictor.predict(np.array([centre_click(meant)]), np.array([1]))
        target = to_mask_resolution(torch.from_numpy(meant[None]))
        chosen = torch.from_numpy(logits[quality.argmax()])[None, None]
        drawn = functional.interpolate(chosen, target.shape[-2:], mode="bilinear")
        yield Answer(drawn, float(mask_ious(drawn, target, known)), float(quality.max()))


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))
