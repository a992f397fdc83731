"""Calibration: sharper logits are more stable, and order and masks stay what they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from server.segmentation.networks.embedded import build_embedded_sam
from server.training.calibration import calibrate, find_gain, find_quality_shift, stability, take_back_calibration
from server.training.labelled_images import LabelledImage


def ramp(width_px: float) -> torch.Tensor:
    """Return logits (1, 1, 32, 64) of a half plane whose edge is about this wide."""
    return ((torch.arange(64) - 31.5) / width_px).expand(1, 1, 32, 64)


def test_stability_counts_the_pixels_between_the_thresholds() -> None:
    assert stability(ramp(2.0)) == pytest.approx(30 / 34)
    assert stability(torch.full((1, 1, 4, 4), -5.0)) == 0


def test_the_gain_is_the_smallest_that_makes_masks_stable() -> None:
    assert find_gain([ramp(0.2)]) == 1
    gain = find_gain([ramp(2.0)])
    assert stability(ramp(2.0) * gain) >= 0.95
    assert stability(ramp(2.0) * (gain - 0.5)) < 0.95
    assert find_gain([]) == 1


def test_calibration_can_be_repeated() -> None:
    torch.manual_seed(0)
    network = build_embedded_sam(64).eval()
    labels = np.ones((64, 64), np.int32)
    labels[:, 32:] = 2
    image = LabelledImage(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8), labels)
    calibrate(network, [image])
    first = float(network.mask_decoder.logit_gain)
    assert network.prompt_encoder.logit_gain == network.mask_decoder.logit_gain
    assert (network.mask_decoder.quality_shift > 0).all()
    calibrate(network, [image])
    assert float(network.mask_decoder.logit_gain) == first


def test_calibration_changes_no_order_and_no_mask() -> None:
    torch.manual_seed(0)
    network = build_embedded_sam(64).eval()
    points = (torch.tensor([[[20.0, 30.0]]]), torch.ones(1, 1, dtype=torch.int64))

    def decode() -> tuple[torch.Tensor, torch.Tensor]:
        _, dense = network.prompt_encoder(points, None, None)
        with torch.no_grad():
            answer: tuple[torch.Tensor, torch.Tensor] = network.mask_decoder(embeddings, dense, dense, dense, True)
        return answer

    embeddings = network.image_encoder(torch.randn(1, 3, 64, 64)).detach()
    masks, quality = decode()
    network.set_calibration(3.0, 1.0)
    sharper, higher = decode()
    assert ((sharper > 0) == (masks > 0)).all()
    assert (higher > quality).all()
    assert higher.argsort().tolist() == quality.argsort().tolist()


def test_the_default_threshold_means_the_expected_iou() -> None:
    """Predictions that are too low by a constant in their log-odds: 0.2 where the masks reach 0.55."""
    odds = np.linspace(-3, 1, 50)
    qualities = 1 / (1 + np.exp(-odds))
    ious = 0.55 + 0.1 * (odds - np.log(0.2 / 0.8))
    shift = find_quality_shift(qualities.tolist(), ious.tolist())
    assert 1 / (1 + np.exp(-(np.log(0.2 / 0.8) + shift))) == pytest.approx(0.88)


def test_predictions_that_tell_nothing_are_taken_at_their_word() -> None:
    shift = find_quality_shift([0.2, 0.5, 0.8], [0.5, 0.5, 0.5])
    assert 1 / (1 + np.exp(-(np.log(0.55 / 0.45) + shift))) == pytest.approx(0.88)


def test_a_calibration_taken_back_leaves_borders_and_ratings_as_they_are() -> None:
    torch.manual_seed(0)
    network = build_embedded_sam(64).eval()
    network.set_calibration(8.0, 1.5)
    embeddings = network.image_encoder(torch.randn(1, 3, 64, 64))
    dense = network.prompt_encoder((torch.tensor([[[20.0, 30.0]]]), torch.ones(1, 1)), None, None)[1]
    before, rated_before = network.mask_decoder(embeddings, None, None, dense, multimask_output=True)
    take_back_calibration(network)
    after, rated_after = network.mask_decoder(embeddings, None, None, dense, multimask_output=True)
    torch.testing.assert_close(after, before / 8, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(rated_after, rated_before)
    assert network.mask_decoder.logit_gain == network.prompt_encoder.logit_gain == 1
