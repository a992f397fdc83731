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


class Planes(NamedTuple):
    """All that the losses need of upsampled features, (B, n, H, W) each.

    Attributes:
        directed: features along random directions.
        attention: what the downsampler's `attend` says of the features.
        hidden: what the content retention's `first` makes of them.
    """

    directed: Tensor
    attention: Tensor
    hidden: Tensor


class Trainee(nn.Module):
    """The upsampler together with what only its training needs."""

    def __init__(self, upsampler: Upsampler, cell: int) -> None:
        """Join networks for a backbone with `cell` pixels per feature, along each side."""
        super().__init__()
        self.upsampler = upsampler
        self.downsampler = AttentionDownsampler(upsampler.n_channels, cell)
        self.doubt = Doubt(upsampler.n_channels)
        self.retention = ContentRetention(upsampler.n_channels)

    def upsample(self, features: Tensor, pictures: Tensor, directions: Tensor) -> Planes:
        """Return what the losses need of the upsampled features, without upsampling all channels.

        The stages are linear in the features, and so is what follows them. So that comes first, on far fewer places.

        Args:
            features: (B, C, h, w) of the backbone.
            pictures: (B, 3, H, W), normalised.
            directions: (C, D).
        """
        attend, first = self.downsampler.attend, self.retention.first
        kernels = torch.cat([directions.mT, attend.weight[:, :, 0, 0], first.weight[:, :, 0, 0]])
        mixed = torch.einsum("nc,bchw->bnhw", kernels, self.upsampler.mix(features))
        biases = torch.cat([torch.zeros_like(directions[0]), attend.get_parameter("bias"), first.get_parameter("bias")])
        ends = kernels @ self.upsampler.bias + biases
        planes = self.upsampler.enlarge(mixed, pictures) + ends[:, None, None]
        n_directions = directions.shape[1]
        return Planes(
            planes[:, :n_directions], planes[:, n_directions : n_directions + 1], planes[:, n_directions + 1 :]
        )


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
    features = encode(pictures)
    directions = functional.normalize(torch.randn(features.shape[1], N_DIRECTIONS, generator=generator), dim=0)
    directions = directions.to(features.device)
    fine = trainee.upsample(features, pictures, directions)
    reconstruction, image = features.new_zeros(()), features.new_zeros(())
    for jitter in jitters:
        view = jitter.apply(pictures)
        moved = Planes(*(jitter.apply(planes) for planes in fine))
        target = encode(view)
        scale = trainee.doubt(target)
        found = trainee.downsampler(moved.directed, moved.attention)
        squares = (found - torch.einsum("bchw,cd->bdhw", target, directions)).square()
        reconstruction = reconstruction + (squares / (2 * scale**2) + scale.log()).mean()
        image = image + (view - trainee.retention(moved.hidden)).square().mean()
    reconstruction, image = reconstruction / len(jitters), image / len(jitters)
    return Losses(reconstruction + IMAGE_SHARE * image, reconstruction, image)
