"""Fitting the rating: it learns which of three masks is right, and keeps what held-out images confirm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from server.segmentation.networks.embedded import build_embedded_sam
from server.training.labelled_images import LabelledImage
from server.training.quality import RatedSamples, chosen_iou, collect_samples, fit_quality, prefer_larger


@pytest.fixture
def images() -> list[LabelledImage]:
    """Return four images of two halves each."""
    rng = np.random.default_rng(0)
    labels = np.ones((64, 64), np.int32)
    labels[:, 32:] = 2
    return [LabelledImage(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8), labels) for _ in range(4)]


def test_only_the_rating_changes(images: list[LabelledImage]) -> None:
    torch.manual_seed(0)
    network = build_embedded_sam(64).eval().requires_grad_(False)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    fit_quality(network, images, seed=0)
    changed = {name for name, weight in network.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed
    assert all(name.startswith("mask_decoder.quality.") for name in changed)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_samples_are_what_the_network_answers(images: list[LabelledImage]) -> None:
    torch.manual_seed(0)
    network = build_embedded_sam(64).eval().requires_grad_(False)
    samples = collect_samples(network, images[0], np.random.default_rng(0))
    assert samples.described.shape[:2] == samples.ious.shape == (24, 3)
    assert network.mask_decoder.quality(samples.described).shape == (24, 3, 1)
    assert ((samples.ious >= 0) & (samples.ious <= 1)).all()


def test_the_chosen_mask_is_the_one_rated_highest() -> None:
    head = nn.Linear(1, 1)
    samples = RatedSamples(torch.tensor([[[0.1], [0.9], [0.5]]]), torch.tensor([[0.2, 0.3, 0.7]]), torch.zeros(1, 3))
    nn.init.ones_(head.weight)
    assert chosen_iou(head, samples) == pytest.approx(0.3)
    nn.init.constant_(head.weight, -1.0)
    assert chosen_iou(head, samples) == pytest.approx(0.2)


def test_larger_masks_are_preferred_in_case_of_doubt() -> None:
    preference = prefer_larger(torch.tensor([[0.2, 0.01, 0.3], [0.4, 0.02, 0.1]]))
    assert preference.tolist() == [0.25, -0.25, 0.0]
