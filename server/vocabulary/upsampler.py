"""The feature upsampler: a feature per pixel from one per patch, sharp where the picture is (FeatUp, SimFeatUp)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from server.vocabulary.bilateral import BilateralStage

N_STAGES = 4
# How much of the learned mixture of channels is added at the end.
FIXUP_SHARE = 0.1
SHARED_RADIUS, SEPARATE_RADIUS = 5, 3


class Upsampler(nn.Module, ABC):
    """Bilateral stages in a row; subclasses say which. Keeps FeatUp's names of parameters.

    At the end 0.1 times a 1x1 convolution of the result is added to it. All stages treat the channels alike and are
    linear in them, so the convolution may as well come first, on far fewer features; only its bias waits for the end.
    """

    def __init__(self, n_channels: int) -> None:
        """Make an upsampler for features of `n_channels`."""
        super().__init__()
        self.n_channels = n_channels
        self.fixup_proj = nn.Sequential(nn.Dropout2d(0.2), nn.Conv2d(n_channels, n_channels, 1))

    @abstractmethod
    def stages(self) -> list[BilateralStage]:
        """Return the stages, first to last; each doubles the rows and columns."""

    @property
    def scale(self) -> int:
        """How many times more rows and columns come out."""
        return 1 << len(self.stages())

    def forward(self, features: Tensor, picture: Tensor) -> Tensor:
        """Return (B, C, scale h, scale w).

        Args:
            features: (B, C, h, w).
            picture: (B, 3, H, W), normalised, of the same ground.
        """
        return torch.cat(list(self.bands(features, picture)), dim=2)

    def bands(self, features: Tensor, picture: Tensor) -> Iterator[Tensor]:
        """Yield the same from top to bottom as bands (B, C, rows, scale w), so that no one need hold all of it."""
        *first, last = self.stages()
        features = self.mix(features)
        for stage in first:
            features = stage(features, picture)
        for band in last.bands(features, picture):
            yield band + self.bias[:, None, None]

    def mix(self, features: Tensor) -> Tensor:
        """Return (B, C, h, w): the convolution at the end, without its bias, applied before the stages."""
        dropout, mixing = self.fixup_proj
        mixed: Tensor = functional.conv2d(dropout(features), mixing.get_parameter("weight"))
        return features + FIXUP_SHARE * mixed

    def enlarge(self, planes: Tensor, picture: Tensor) -> Tensor:
        """Run the stages alone on any number of planes: linear combinations of mixed features, such as scores.

        Args:
            planes: (B, N, h, w).
            picture: (B, 3, H, W), normalised, of the same ground.

        Returns:
            (B, N, scale h, scale w).
        """
        for stage in self.stages():
            planes = stage(planes, picture)
        return planes

    @property
    def bias(self) -> Tensor:
        """What is added to every pixel at the end, (C,)."""
        return FIXUP_SHARE * self.fixup_proj[1].get_parameter("bias")


class SharedStageUpsampler(Upsampler):
    """SimFeatUp's `jbu_one`: the same stage again and again, four times as published."""

    def __init__(self, n_channels: int, radius: int = SHARED_RADIUS, n_stages: int = N_STAGES) -> None:
        """Make an upsampler for features of `n_channels` whose stage looks `radius` pixels around."""
        super().__init__(n_channels)
        self.n_stages = n_stages
        self.up = BilateralStage(radius)

    def stages(self) -> list[BilateralStage]:
        """Return the one stage as often as it is used."""
        return [self.up] * self.n_stages


class SeparateStagesUpsampler(Upsampler):
    """FeatUp's `jbu_stack`: four stages of their own."""

    def __init__(self, n_channels: int, radius: int = SEPARATE_RADIUS) -> None:
        """Make an upsampler for features of `n_channels` whose stages look `radius` pixels around."""
        super().__init__(n_channels)
        self.up1, self.up2, self.up3, self.up4 = (BilateralStage(radius) for _ in range(N_STAGES))

    def stages(self) -> list[BilateralStage]:
        """Return the four stages, first to last."""
        return [self.up1, self.up2, self.up3, self.up4]
