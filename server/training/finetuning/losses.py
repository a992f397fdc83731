"""What fine-tuning makes small: focal 20 : dice 1 : IoU 1, as SAM was trained, and centre lines for narrow classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from server.training.losses import OTHERS_SHARE, Losses, dice_loss, mask_ious

# Erosions after which nothing of a narrow thing is left; it must reach half of the widest one, in pixels of the masks.
SKELETON_STEPS = 6


@dataclass(frozen=True)
class LossWeights:
    """Shares of the loss.

    Attributes:
        focal: of the focal loss (Lin et al. 2017).
        dice: of the dice loss.
        quality: of the squared error of the predicted IoU.
        centre_line: of soft clDice (Shit et al. 2021).
        positive: alpha of the focal loss: what a pixel of the class weighs; others weigh 1 - alpha.
        gamma: of the focal loss: how little is said about pixels that are already right.
    """

    focal: float = 20.0
    dice: float = 1.0
    quality: float = 1.0
    centre_line: float = 0.0
    positive: float = 0.25
    gamma: float = 2.0


USUAL = LossWeights()
# Narrow things are few pixels, and one missing pixel parts them in two.
THIN = LossWeights(centre_line=1.0, positive=0.75)


def class_losses(
    logits: torch.Tensor, quality: torch.Tensor, targets: torch.Tensor, known: torch.Tensor, weights: LossWeights
) -> Losses:
    """Compare masks with what was meant; of several masks per prompt the best counts.

    Args:
        logits: (P, M, h, w).
        quality: (P, M), predicted IoU.
        targets: (P, 1, h, w), share of each pixel that belongs to the mask, 0..1.
        known: (P, 1, h, w), weight of each pixel, 0 where nobody knows.
        weights: shares of the loss.
    """
    per_mask = weights.focal * focal_loss(logits, targets, known, weights)
    per_mask = per_mask + weights.dice * dice_loss(logits, targets, known)
    if weights.centre_line:
        per_mask = per_mask + weights.centre_line * centre_line_loss(logits, targets, known)
    best = per_mask.min(dim=1)
    ious = mask_ious(logits.detach(), targets, known)
    # Where nothing is meant an IoU says nothing.
    is_rated = ((targets > 0.5) & (known > 0.5)).flatten(1).any(dim=1)
    squared = (quality - ious) ** 2
    quality_loss = (squared * is_rated[:, None]).sum() / (is_rated.sum() * squared.shape[1]).clamp(min=1)
    chosen = ious.gather(1, quality.detach().argmax(dim=1, keepdim=True))
    mask_loss = (1 - OTHERS_SHARE) * best.values.mean() + OTHERS_SHARE * per_mask.mean()
    return Losses(
        total=mask_loss + weights.quality * quality_loss,
        mask=best.values.detach().mean(),
        quality=quality_loss.detach(),
        best_iou=ious.max(dim=1).values.mean(),
        chosen_iou=chosen.mean(),
    )


def focal_loss(logits: torch.Tensor, targets: torch.Tensor, known: torch.Tensor, weights: LossWeights) -> torch.Tensor:
    """Return (P, M): the mean over known pixels of -alpha (1 - p)^gamma log p, pixel by pixel.

    Targets between 0 and 1 are pixels that belong to both sides in part.
    """
    right, wrong = torch.sigmoid(logits), torch.sigmoid(-logits)
    on_class = weights.positive * targets * wrong**weights.gamma * functional.softplus(-logits)
    around = (1 - weights.positive) * (1 - targets) * right**weights.gamma * functional.softplus(logits)
    return ((on_class + around) * known).sum(dim=(2, 3)) / known.sum(dim=(2, 3)).clamp(min=1)


def centre_line_loss(logits: torch.Tensor, targets: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return (P, M): 1 - clDice of soft masks: how much of each one's centre lines lies in the other."""
    drawn, meant = torch.sigmoid(logits) * known, targets * known
    drawn_lines, meant_lines = soft_skeleton(drawn), soft_skeleton(meant)
    precision = ((drawn_lines * meant).sum(dim=(2, 3)) + 1) / (drawn_lines.sum(dim=(2, 3)) + 1)
    recall = ((meant_lines * drawn).sum(dim=(2, 3)) + 1) / (meant_lines.sum(dim=(2, 3)) + 1)
    return 1 - 2 * precision * recall / (precision + recall)


def soft_skeleton(masks: torch.Tensor) -> torch.Tensor:
    """Return the centre lines of soft masks (P, M, h, w), 0..1: what every opening of every erosion takes away."""
    lines = functional.relu(masks - _open(masks))
    for _ in range(SKELETON_STEPS):
        masks = _erode(masks)
        taken = functional.relu(masks - _open(masks))
        lines = lines + functional.relu(taken - lines * taken)
    return lines


def _erode(masks: torch.Tensor) -> torch.Tensor:
    across = -functional.max_pool2d(-masks, (3, 1), 1, (1, 0))
    along = -functional.max_pool2d(-masks, (1, 3), 1, (0, 1))
    return torch.minimum(across, along)


def _open(masks: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(_erode(masks), 3, 1, 1)
