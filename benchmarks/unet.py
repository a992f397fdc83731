"""A plain U-Net, trained on the same views with the same loss: what fine-tuning has to be better than."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from server.segmentation.networks.padded_patches import pad_to_square
from server.training.finetuning.answering import reduce_masks
from server.training.finetuning.examples import Views
from server.training.finetuning.losses import THIN, class_losses
from server.training.labelled_images import UNKNOWN
from server.training.metrics.pixels import PixelCounts, count_pixels, score_counts

# Four million weights, as many as the embedded network has.
WIDTHS = (24, 48, 96, 192, 320)
# The masks of the embedded network have half of the input's resolution; the loss looks at both in the same way.
MASK_STRIDE = 2
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
N_VALIDATIONS = 6
N_WARM_UP = 50


class UNet(nn.Module):
    """Ronneberger et al. 2015 with group normalisation; images (B, 3, S, S), 0..255, to logits (B, 1, S, S)."""

    def __init__(self) -> None:
        super().__init__()
        self.downs = nn.ModuleList(_double_convolution(before, after) for before, after in pairwise((3, *WIDTHS)))
        upwards = list(pairwise(reversed(WIDTHS)))
        self.raises = nn.ModuleList(nn.ConvTranspose2d(deep, shallow, 2, stride=2) for deep, shallow in upwards)
        self.ups = nn.ModuleList(_double_convolution(2 * shallow, shallow) for _, shallow in upwards)
        self.head = nn.Conv2d(WIDTHS[0], 1, 1)
        self.register_buffer("mean", torch.tensor(MEAN).view(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(-1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits; see the class for shapes."""
        x = (images - self.mean) / self.deviation
        levels: list[torch.Tensor] = []
        for number, down in enumerate(self.downs):
            x = down(functional.max_pool2d(x, 2) if number else x)
            levels.append(x)
        for raised, up, level in zip(self.raises, self.ups, reversed(levels[:-1]), strict=True):
            x = up(torch.cat([raised(x), level], dim=1))
        logits: torch.Tensor = self.head(x)
        return logits


@dataclass(frozen=True)
class UNetClassNetwork:
    """Implements `ClassNetwork`.

    Attributes:
        network: trained.
        input_size: side of the patches.
    """

    network: UNet
    input_size: int

    def find_class(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits (H, W) of a patch."""
        with torch.inference_mode():
            logits = self.network(_to_tensor(pad_to_square(rgb, self.input_size)))
        found: NDArray[np.float32] = logits[0, 0, : rgb.shape[0], : rgb.shape[1]].numpy()
        return found


@dataclass(frozen=True)
class UNetSettings:
    """How to train; what fine-tuning does wherever both have it.

    Attributes:
        seconds: of training, looks at the validation windows left out.
        n_images: views per step.
        learning_rate: highest.
        empty_weight: how often windows without the class are drawn.
        seed: of weights and views.
    """

    seconds: float
    n_images: int
    learning_rate: float
    empty_weight: float
    seed: int


def train_unet(training: Views, validation: Views, settings: UNetSettings) -> tuple[UNet, int]:
    """Return the network that was best on the validation windows, and the steps taken."""
    torch.manual_seed(settings.seed)
    network = UNet()
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=0.02)
    weights = np.array([1.0 if window.n_class_px else settings.empty_weight for window in training.windows])
    clock, choice, step = _Clock(settings.seconds), _BestNetwork(), 0
    with tqdm(desc="U-Net", unit="step") as bar:
        while (share := clock.share_done()) < 1:
            rng = np.random.default_rng((settings.seed, step))
            rate = settings.learning_rate * min(1.0, (step + 1) / N_WARM_UP) * (0.51 + 0.49 * math.cos(math.pi * share))
            optimizer.param_groups[0]["lr"] = rate
            drawn = rng.choice(len(weights), settings.n_images, p=weights / weights.sum())
            loss = _take_step(network, optimizer, training, drawn.tolist(), rng)
            step += 1
            if share * N_VALIDATIONS > choice.n_looks + 1:
                clock.stand_still(lambda: choice.look(network, validation))
            bar.set_postfix_str(f"loss {loss:.3f}, validation IoU {choice.iou:.3f}", refresh=False)
            bar.update()
    choice.look(network, validation)
    return choice.network or network, step


class _Clock:
    """Time spent on training; looks at the validation windows are not counted, to the U-Net's advantage."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._start = time.monotonic()

    def share_done(self) -> float:
        return (time.monotonic() - self._start) / self._seconds

    def stand_still(self, work: Callable[[], None]) -> None:
        began = time.monotonic()
        work()
        self._start += time.monotonic() - began


class _BestNetwork:
    """The network that was best on the validation windows so far."""

    def __init__(self) -> None:
        self.network: UNet | None = None
        self.iou, self.n_looks = -1.0, 0

    def look(self, network: UNet, views: Views) -> None:
        self.n_looks += 1
        iou = _validate(network, views)
        if iou > self.iou:
            self.network, self.iou = copy.deepcopy(network), iou


def _take_step(
    network: UNet, optimizer: torch.optim.Optimizer, views: Views, drawn: list[int], rng: np.random.Generator
) -> float:
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for number in drawn:
        view = views.show(number, int(rng.integers(1, 2**31)), 0)
        logits = functional.avg_pool2d(network(_to_tensor(view.rgb)), MASK_STRIDE)
        targets = reduce_masks((view.labels > 0)[None], logits.shape[-1])
        known = reduce_masks((view.labels != UNKNOWN)[None], logits.shape[-1])
        losses = class_losses(logits, torch.zeros(1, 1), targets, known, THIN)
        loss = (losses.total - losses.quality) / len(drawn)
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return total


def _validate(network: UNet, views: Views) -> float:
    counts = PixelCounts(0, 0, 0)
    with torch.no_grad():
        for number in range(len(views.windows)):
            view = views.show(number, 0, 0)
            found = network(_to_tensor(view.rgb))[0, 0].numpy() > 0
            counts = counts + count_pixels(found, view.labels > 0, view.labels != UNKNOWN)
    return score_counts(counts).iou


def _to_tensor(rgb: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()


def _double_convolution(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1), nn.GroupNorm(8, after), nn.ReLU()]
    return nn.Sequential(*layers)
