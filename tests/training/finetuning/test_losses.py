"""The losses against hand-worked numbers."""

from __future__ import annotations

import math

import pytest
import torch

from server.training.finetuning.losses import (
    THIN,
    USUAL,
    LossWeights,
    centre_line_loss,
    class_losses,
    focal_loss,
    soft_skeleton,
)

EVERYWHERE = torch.ones(1, 1, 2, 2)


def test_focal_loss_weighs_every_pixel_by_its_own_error() -> None:
    logits = torch.tensor([[[[2.0, -1.0], [0.0, 3.0]]]])
    targets = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    expected = 0.0
    for logit, target in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit))
        right, alpha = (p, 0.25) if target else (1 - p, 0.75)
        expected += -alpha * (1 - right) ** 2 * math.log(right)
    assert focal_loss(logits, targets, EVERYWHERE, USUAL).item() == pytest.approx(expected / 4, rel=1e-5)


def test_unknown_pixels_do_not_count() -> None:
    known = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    targets = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    first, second = torch.tensor([[[[1.0, 9.0], [-1.0, 9.0]]]]), torch.tensor([[[[1.0, -5.0], [-1.0, 2.0]]]])
    quality = torch.full((1, 1), 0.5)
    losses = [class_losses(logits, quality, targets, known, THIN).total.item() for logits in (first, second)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_shares_are_twenty_to_one_to_one() -> None:
    logits, targets = torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    known, quality = torch.ones(2, 1, 8, 8), torch.rand(2, 1)
    parts = [
        class_losses(logits, quality, targets, known, LossWeights(focal, dice, rated)).total.item()
        for focal, dice, rated in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]
    total = class_losses(logits, quality, targets, known, USUAL).total.item()
    assert total == pytest.approx(20 * parts[0] + parts[1] + parts[2], rel=1e-5)


def test_the_iou_to_predict_gives_masks_no_gradient() -> None:
    logits = torch.randn(1, 1, 8, 8, requires_grad=True)
    quality = torch.tensor([[0.3141]], requires_grad=True)
    targets = (torch.arange(64).reshape(1, 1, 8, 8) < 32).float()
    only_rating = LossWeights(focal=0.0, dice=0.0)
    class_losses(logits, quality, targets, torch.ones(1, 1, 8, 8), only_rating).total.backward()
    assert logits.grad is not None
    assert not logits.grad.any()
    assert quality.grad is not None
    assert quality.grad.any()


def test_where_nothing_is_meant_no_iou_is_learned() -> None:
    quality = torch.tensor([[0.3], [0.9]])
    nothing = torch.zeros(2, 1, 8, 8)
    losses = class_losses(torch.full((2, 1, 8, 8), -4.0), quality, nothing, torch.ones(2, 1, 8, 8), USUAL)
    assert losses.quality.item() == 0.0
    assert losses.total.item() < 0.7  # dice counts the faint rest of the mask


def test_of_several_masks_the_best_counts() -> None:
    targets = torch.zeros(1, 1, 8, 8)
    targets[..., :4] = 1
    right = 8 * (2 * targets - 1)
    both = torch.cat([right, -right], dim=1)
    losses = class_losses(both, torch.zeros(1, 2), targets, torch.ones(1, 1, 8, 8), USUAL)
    alone = class_losses(-right, torch.zeros(1, 1), targets, torch.ones(1, 1, 8, 8), USUAL)
    assert losses.mask.item() < 0.1 < alone.mask.item()
    assert losses.best_iou.item() == 1.0


def test_a_skeleton_is_the_middle_of_a_bar() -> None:
    bar = torch.zeros(1, 1, 21, 40)
    bar[..., 6:15, 4:36] = 1  # nine pixels wide
    lines = soft_skeleton(bar)[0, 0]
    assert lines[10, 10:30].min() == 1.0
    assert lines[:9, 12:28].max() == 0.0
    assert lines[12:, 12:28].max() == 0.0


def test_a_gap_in_a_road_costs_more_than_narrow_borders() -> None:
    road = torch.zeros(1, 1, 21, 60)
    road[..., 7:14, :] = 1
    cut, narrow = road.clone(), road.clone()
    cut[..., 20:30] = 0  # 70 pixels less
    narrow[..., 7, :] = 0  # 60 pixels less
    everywhere = torch.ones_like(road)
    costs = [centre_line_loss(20 * mask - 10, road, everywhere).item() for mask in (road, narrow, cut)]
    assert costs[0] < 0.02
    assert costs[1] < costs[0] + 0.02
    assert costs[2] > 0.05
