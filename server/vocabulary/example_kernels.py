"""Learns classes from a handful of examples: kernel ridge regression over several descriptions of places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# How much the examples' own marks are doubted. From 0.03 to 1 maps hardly change.
RIDGE = 0.3
# Numbers further from the scene's mean, in standard deviations, say no more: a single odd one must not decide.
FARTHEST = 4.0
LEAST_SPREAD = 1e-6
# Entries of the kernel between places and examples that are held at a time, 64 MB.
MAX_ENTRIES = 1 << 24


@dataclass(frozen=True)
class CueKernel:
    """How alike places and examples are in one description: exp(-||x - y||^2 / scale), numbers standardised.

    Attributes:
        mean: (C,) of the scene.
        deviation: (C,) standard deviation of the scene.
        examples: (P, C), standardised.
        scale: median squared distance between places of the scene and examples.
    """

    mean: Tensor
    deviation: Tensor
    examples: Tensor
    scale: float

    def compare(self, values: Tensor) -> Tensor:
        """Return (N, P), 0..1: how alike N places, (N, C), are to the examples."""
        standard = standardise(values, self.mean, self.deviation)
        return torch.exp(-_distances(standard, self.examples) / self.scale)


@dataclass(frozen=True)
class ExampleKernels:
    """What was learnt: the score of a class is a weighted sum of the likeness to all examples, over all descriptions.

    Attributes:
        kernels: one per description.
        weights: (P, K) of P examples for K classes.
    """

    kernels: tuple[CueKernel, ...]
    weights: Tensor

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return self.weights.shape[1]

    def score(self, number: int, values: Tensor) -> Tensor:
        """Return (K, h, w): what one description adds to the scores of the classes; they sum up to about -1..1.

        Args:
            number: of the description.
            values: (C, h, w).
        """
        flat = values.movedim(0, -1).flatten(0, 1)
        per_part = max(1, MAX_ENTRIES // len(self.weights))
        parts = [self._score(number, part) for part in torch.split(flat, per_part)]
        return torch.cat(parts).mT.reshape(-1, *values.shape[1:])

    def _score(self, number: int, values: Tensor) -> Tensor:
        likeness = self.kernels[number].compare(values.cpu())
        return likeness @ self.weights / len(self.kernels)


def fit_kernels(
    examples: Sequence[Tensor], numbers: Tensor, scene: Sequence[Tensor], n_classes: int, ridge: float = RIDGE
) -> ExampleKernels:
    """Fit scores that are 1 for a class's own examples and -1 for others', as far as the ridge lets them.

    Every description counts by the spread of the whole scene, examples or not, and all descriptions count alike. A
    class with many examples weighs no more than one with few.

    Args:
        examples: per description (P, C).
        numbers: (P,) class of each example, 0..n_classes - 1, each at least once.
        scene: per description (S, C) of places all over the scene.
        n_classes: number of classes.
        ridge: see `RIDGE`.
    """
    kernels = tuple(_make_kernel(own, all_over) for own, all_over in zip(examples, scene, strict=True))
    likeness = torch.stack([kernel.compare(own) for kernel, own in zip(kernels, examples, strict=True)]).mean(dim=0)
    counts = torch.bincount(numbers, minlength=n_classes).double()
    doubt = ridge * (counts / counts.mean())[numbers]
    targets = torch.nn.functional.one_hot(numbers, n_classes).double() * 2 - 1
    weights = torch.linalg.solve(likeness.double() + torch.diag(doubt), targets)
    return ExampleKernels(kernels, weights.float())


def _make_kernel(examples: Tensor, scene: Tensor) -> CueKernel:
    mean, deviation = scene.mean(dim=0), scene.std(dim=0, correction=0).clamp(min=LEAST_SPREAD)
    own = standardise(examples, mean, deviation)
    distances = _distances(standardise(scene, mean, deviation), own)
    return CueKernel(mean, deviation, own, max(float(distances.median()), LEAST_SPREAD))


def standardise(values: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return (N, C) values in standard deviations from the mean, cut at `FARTHEST`."""
    return ((values - mean) / deviation).clamp(-FARTHEST, FARTHEST)


def _distances(places: Tensor, examples: Tensor) -> Tensor:
    """Return (N, P) squared Euclidean distances."""
    squares = places.square().sum(dim=1)[:, None] + examples.square().sum(dim=1)
    return torch.addmm(squares, places, examples.mT, alpha=-2).clamp(min=0)
