"""What the embedded network is trained to make small."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from server.segmentation.networks.embedded.prompt_encoder import MASK_STRIDE

# Share of the loss that the two masks which fit worse receive, so that none of the three forgets to learn.
OTHERS_SHARE = 0.06
DICE_WEIGHT = 1.0
QUALITY_WEIGHT = 2.0
# The first stage's sketch is what the predicted IoU is read from, and what the fine stage corrects.
SKETCH_WEIGHT = 0.5
# Surroundings count as much as the object, but never as if they were smaller than this share of the image or larger
# than twice the object: spread over a whole image, a halo around a small roof would cost next to nothing.
LEAST_SURROUNDINGS, SURROUNDINGS_PER_OBJECT = 1 / 16, 2


@dataclass(frozen=True)
class Losses:
    """Result of `prompt_losses`, scalars; `total` carries the gradient.

    Attributes:
        total: weighted sum.
        mask: class-balanced cross-entropy plus dice of the best mask, mean over prompts.
        quality: mean squared error of the predicted IoU.
        best_iou: mean over prompts of the best mask's IoU.
        chosen_iou: mean over prompts of the IoU of the mask with the highest predicted IoU.
    """

    total: torch.Tensor
    mask: torch.Tensor
    quality: torch.Tensor
    best_iou: torch.Tensor
    chosen_iou: torch.Tensor


def prompt_losses(
    logits: torch.Tensor, sketch: torch.Tensor, quality: torch.Tensor, targets: torch.Tensor, known: torch.Tensor
) -> Losses:
    """Compare what the decoder drew with what was meant; the best of the three masks counts.

    Args:
        logits: (N, 3, h, w).
        sketch: (N, 3, h/2, w/2), the first stage's logits.
        quality: (N, 3), predicted IoU 0..1.
        targets: (N, 1, h, w), share of each pixel that belongs to the object, 0..1.
        known: (N, 1, h, w), weight of each pixel, 0 where nobody knows.
    """
    per_mask = _mask_loss(logits, targets, known)
    per_sketch = _mask_loss(sketch, functional.avg_pool2d(targets, 2), functional.avg_pool2d(known, 2))
    both = per_mask + SKETCH_WEIGHT * per_sketch
    best = both.min(dim=1)
    ious = mask_ious(logits.detach(), targets, known)
    quality_loss = functional.mse_loss(quality, ious)
    chosen = ious.gather(1, quality.detach().argmax(dim=1, keepdim=True))
    return Losses(
        total=(1 - OTHERS_SHARE) * best.values.mean() + OTHERS_SHARE * both.mean() + QUALITY_WEIGHT * quality_loss,
        mask=per_mask.detach().gather(1, best.indices[:, None]).mean(),
        quality=quality_loss.detach(),
        best_iou=ious.max(dim=1).values.mean(),
        chosen_iou=chosen.mean(),
    )


def _mask_loss(logits: torch.Tensor, targets: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    return balanced_cross_entropy(logits, targets, known) + DICE_WEIGHT * dice_loss(logits, targets, known)


def balanced_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return (N, 3): cross-entropy in which object and surroundings weigh about the same."""
    inside, outside = targets * known, (1 - targets) * known
    object_area, other_area = inside.sum(dim=(2, 3)), outside.sum(dim=(2, 3))
    least = LEAST_SURROUNDINGS * targets.shape[2] * targets.shape[3]
    counted_as = torch.minimum(other_area, (SURROUNDINGS_PER_OBJECT * object_area).clamp(min=least))
    on_object = (functional.softplus(-logits) * inside).sum(dim=(2, 3)) / object_area.clamp(min=1.0)
    around = (functional.softplus(logits) * outside).sum(dim=(2, 3)) / counted_as.clamp(min=1.0)
    return (on_object + around) / 2


def dice_loss(logits: torch.Tensor, targets: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return (N, 3): 1 - (2 sum pg + 1) / (sum p + sum g + 1), as in SAM's recipe."""
    drawn = torch.sigmoid(logits) * known
    meant = targets * known
    overlap = (drawn * meant).sum(dim=(2, 3))
    return 1 - (2 * overlap + 1) / (drawn.sum(dim=(2, 3)) + meant.sum(dim=(2, 3)) + 1)


def mask_ious(logits: torch.Tensor, targets: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return (N, 3): IoU of the thresholded masks with the objects, where known; 0 where both are empty."""
    counted = known > 0.5
    drawn = (logits > 0) & counted
    meant = (targets > 0.5) & counted
    both = (drawn & meant).sum(dim=(2, 3)).float()
    return both / (drawn | meant).sum(dim=(2, 3)).clamp(min=1)


def to_mask_resolution(masks: torch.Tensor) -> torch.Tensor:
    """Return bool (N, S, S) as float (N, 1, S/2, S/2), the covered share of each mask pixel."""
    return functional.avg_pool2d(masks.unsqueeze(1).float(), MASK_STRIDE)
