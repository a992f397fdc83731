"""What training minimises: features that shrink to the backbone's own in every view, and keep the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from server.vocabulary.simfeatup.jitters import Jitter
from server.vocabulary.simfeatup.networks import AttentionDownsampler, ContentRetention, Doubt
from server.vocabulary.upsampler import Upsampler

# Features are compared along so many random directions.
N_DIRECTIONS = 30
IMAGE_SHARE = 0.1


class Losses(NamedTuple):
    """Means over the views of a batch.

    Attributes:
        total: what is minimised.
        reconstruction: of the backbone's features in the views.
        image: of the pictures.
    """

    total: Tensor
    reconstruction: Tensor
    image: Tensor


class Trainee(nn.Module):
    """The upsampler together with what only its training needs."""

    def __init__(self, upsampler: Upsampler, cell: int) -> None:
        """Join networks for a backbone with `cell` pixels per feature, along each side."""
        super().__init__()
        self.upsampler = upsampler
        self.downsampler = AttentionDownsampler(upsampler.n_channels, cell)
        self.doubt = Doubt(upsampler.n_channels)
        self.retention = ContentRetention(upsampler.n_channels)


def measure_losses(
    trainee: Trainee,
    encode: Callable[[Tensor], Tensor],
    pictures: Tensor,
    jitters: Sequence[Jitter],
    generator: torch.Generator,
) -> Losses:
    """Upsample the features of pictures and compare them with the backbone's in other views.

    Args:
        trainee: what learns.
        encode: (B, 3, H, W) normalised pictures to (B, C, h, w) features of the frozen backbone.
        pictures: (B, 3, H, W), normalised.
        jitters: views, at least one.
        generator: of the random directions.
    """
    fine = trainee.upsampler(encode(pictures), pictures)
    directions = functional.normalize(torch.randn(fine.shape[1], N_DIRECTIONS, generator=generator), dim=0)
    directions = directions.to(fine.device)
    reconstruction, image = fine.new_zeros(()), fine.new_zeros(())
    for jitter in jitters:
        view = jitter.apply(pictures)
        moved = jitter.apply(fine)
        target = encode(view)
        scale = trainee.doubt(target)
        found = trainee.downsampler(moved)
        squares = torch.einsum("bchw,cd->bdhw", found - target, directions).square()
        reconstruction = reconstruction + (squares / (2 * scale**2) + scale.log()).mean()
        image = image + (view - trainee.retention(moved)).square().mean()
    reconstruction, image = reconstruction / len(jitters), image / len(jitters)
    return Losses(reconstruction + IMAGE_SHARE * image, reconstruction, image)
