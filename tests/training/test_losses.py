"""Losses: zero for the truth, blind where nothing is known, driven by the best of three masks."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from server.training.losses import balanced_cross_entropy, dice_loss, mask_ious, prompt_losses


@pytest.fixture
def targets() -> torch.Tensor:
    targets = torch.zeros(2, 1, 32, 32)
    targets[0, 0, 4:12, 4:12] = 1
    targets[1, 0, :, 16:] = 1
    return targets


@pytest.fixture
def known(targets: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(targets)


def as_logits(targets: torch.Tensor) -> torch.Tensor:
    return (targets * 2 - 1).expand(-1, 3, -1, -1) * 20


def as_sketch(targets: torch.Tensor) -> torch.Tensor:
    return as_logits(functional.avg_pool2d(targets, 2))


def test_the_truth_costs_nothing(targets: torch.Tensor, known: torch.Tensor) -> None:
    losses = prompt_losses(as_logits(targets), as_sketch(targets), torch.ones(2, 3), targets, known)
    assert losses.total.item() == pytest.approx(0, abs=1e-3)
    assert losses.best_iou.item() == losses.chosen_iou.item() == 1


def test_object_and_surroundings_weigh_the_same(targets: torch.Tensor, known: torch.Tensor) -> None:
    """True of an object that is neither small nor large: here half of the image."""
    missed = balanced_cross_entropy(torch.full((2, 3, 32, 32), -4.0), targets, known)[1]
    flooded = balanced_cross_entropy(torch.full((2, 3, 32, 32), 4.0), targets, known)[1]
    torch.testing.assert_close(missed, flooded)


def test_a_halo_around_a_small_object_costs_as_much_as_half_of_it(targets: torch.Tensor, known: torch.Tensor) -> None:
    halo, hole = as_logits(targets).clone(), as_logits(targets).clone()
    halo[0, :, 12:16, 4:12] = 20
    hole[0, :, 8:12, 4:12] = -20
    costs = [balanced_cross_entropy(logits, targets, known)[0, 0].item() for logits in (halo, hole)]
    assert costs[0] == pytest.approx(costs[1] / 2)


def test_the_sketch_learns_too(targets: torch.Tensor, known: torch.Tensor) -> None:
    sketch = (as_sketch(targets) * 0.02).requires_grad_()
    prompt_losses(as_logits(targets), sketch, torch.ones(2, 3), targets, known).total.backward()
    assert sketch.grad is not None
    assert (sketch.grad[0, :, 2:6, 2:6] < 0).all()


def test_unknown_pixels_do_not_count(targets: torch.Tensor) -> None:
    known = torch.ones_like(targets)
    known[:, :, 20:] = 0
    wrong_where_unknown = as_logits(targets).clone()
    wrong_where_unknown[:, :, 20:] *= -1
    for measure in (balanced_cross_entropy, dice_loss, mask_ious):
        right = measure(as_logits(targets), targets, known)
        torch.testing.assert_close(measure(wrong_where_unknown, targets, known), right)


def test_mask_ious_of_a_shifted_square(known: torch.Tensor, targets: torch.Tensor) -> None:
    shifted = as_logits(torch.roll(targets, 4, dims=3))
    assert mask_ious(shifted, targets, known)[0].tolist() == pytest.approx([1 / 3] * 3)


def test_dice_matches_its_formula(known: torch.Tensor, targets: torch.Tensor) -> None:
    loss = dice_loss(torch.zeros(2, 3, 32, 32), targets, known)
    assert loss[0, 0].item() == pytest.approx(1 - (2 * 32 + 1) / (512 + 64 + 1))


def test_the_best_mask_gets_nearly_all_of_the_gradient(known: torch.Tensor, targets: torch.Tensor) -> None:
    logits = as_logits(targets).clone() * 0.02
    logits[:, 1:] *= -1
    logits.requires_grad_()
    prompt_losses(logits, as_sketch(targets), torch.full((2, 3), 0.5), targets, known).total.backward()
    assert logits.grad is not None
    strength = logits.grad.abs().sum(dim=(0, 2, 3))
    assert (strength[0] > 5 * strength[1:]).all()
    assert (strength > 0).all()


def test_quality_learns_the_measured_iou(known: torch.Tensor, targets: torch.Tensor) -> None:
    quality = torch.full((2, 3), 0.2, requires_grad=True)
    prompt_losses(as_logits(targets), as_sketch(targets), quality, targets, known).total.backward()
    assert quality.grad is not None
    assert (quality.grad < 0).all()
