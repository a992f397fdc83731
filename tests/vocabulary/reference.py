"""Slow reference code written from the published formulas alone, in numpy and float64, pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = dict[str, Array]


def relative_error(found: Any, expected: Any) -> float:
    """Largest difference as a share of the largest expected value."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def softmax(values: Array) -> Array:
    raised = np.exp(values - values.max())
    return raised / raised.sum()


def gelu(values: Array) -> Array:
    return np.vectorize(lambda value: 0.5 * value * (1 + math.erf(value / math.sqrt(2))))(values)


def unit(vector: Array) -> Array:
    return vector / math.sqrt(float((vector**2).sum()))


def attention(tokens: Array, weights: Weights, n_heads: int, mix: Callable[[Array, Array, Array], Array]) -> Array:
    """(N, D) -> (N, D): `mix` takes one head's q, k, v, (N, d) each, and returns the (N, N) weights of the values."""
    width = tokens.shape[1]
    projected = tokens @ weights["in_proj_weight"].T + weights["in_proj_bias"]
    depth = width // n_heads
    heads = []
    for head in range(n_heads):
        q, k, v = (projected[:, part * width + head * depth :][:, :depth] for part in range(3))
        heads.append(mix(q, k, v) @ v)
    return np.concatenate(heads, axis=1) @ weights["out_proj.weight"].T + weights["out_proj.bias"]


def row_softmax(left: Array, right: Array) -> Array:
    return np.stack([softmax(row @ right.T / math.sqrt(right.shape[1])) for row in left])


def reflect(place: int, length: int) -> int:
    while not 0 <= place < length:
        place = -place if place < 0 else 2 * (length - 1) - place
    return place


def enlarge_twice(features: Array) -> Array:
    """(C, h, w) -> (C, 2h, 2w), bicubic with a = -0.75, pixel centres at halves, borders repeated."""

    def cubic(x: float, a: float = -0.75) -> float:
        x = abs(x)
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    def matrix(n: int) -> Array:
        rows = np.zeros((2 * n, n))
        for fine in range(2 * n):
            centre = (fine + 0.5) / 2 - 0.5
            for tap in range(math.floor(centre) - 1, math.floor(centre) + 3):
                rows[fine, min(max(tap, 0), n - 1)] += cubic(centre - tap)
        return rows

    return np.einsum("yi,cij,xj->cyx", matrix(features.shape[1]), features, matrix(features.shape[2]))


def pool_average(picture: Array, shape: tuple[int, int]) -> Array:
    rows, cols = picture.shape[1] // shape[0], picture.shape[2] // shape[1]
    return picture.reshape(len(picture), shape[0], rows, shape[1], cols).mean(axis=(2, 4))


def project(values: Array, weights: Weights, name: str) -> Array:
    """Two 1x1 convolutions with a GELU between them, on one pixel's channels."""
    hidden = gelu(weights[f"{name}.0.weight"][:, :, 0, 0] @ values + weights[f"{name}.0.bias"])
    return weights[f"{name}.3.weight"][:, :, 0, 0] @ hidden + weights[f"{name}.3.bias"]


def bilateral_stage(features: Array, picture: Array, weights: Weights, radius: int) -> Array:
    """(C, h, w) -> (C, 2h, 2w), one output pixel after the other."""
    _, h, w = features.shape
    rows, cols, n_taps = 2 * h, 2 * w, 2 * radius + 1
    guidance = pool_average(picture, (rows, cols))
    keys = np.stack([[project(guidance[:, y, x], weights, "range_proj") for x in range(cols)] for y in range(rows)])
    fine = enlarge_twice(features)
    temperature = min(max(math.exp(weights["range_temp"]), 1e-4), 1e4)
    steps = np.linspace(-1, 1, n_taps)
    result = np.zeros((len(features), rows, cols))
    for y in range(rows):
        for x in range(cols):
            near = [(reflect(y + dy, rows), reflect(x + dx, cols)) for dy in range(-radius, radius + 1)
                    for dx in range(-radius, radius + 1)]  # fmt: skip
            by_range = softmax(np.array([temperature * keys[y, x] @ keys[place] for place in near]))
            squares = np.array([dy**2 + dx**2 for dy in steps for dx in steps])
            combined = by_range * np.exp(-squares / (2 * weights["sigma_spatial"] ** 2))
            combined = combined / max(combined.sum(), 1e-7)
            combined = combined + 0.1 * project(np.concatenate([combined, guidance[:, y, x]]), weights, "fixup_proj")
            result[:, y, x] = sum(weight * fine[:, py, px] for weight, (py, px) in zip(combined, near, strict=True))
    return result


def upsample(features: Array, picture: Array, stages: list[Weights], radius: int, mixing: tuple[Array, Array]) -> Array:
    """All stages, then 0.1 times a 1x1 convolution (weight (C, C), bias (C,)) of the result is added to it."""
    for weights in stages:
        features = bilateral_stage(features, picture, weights, radius)
    return features + 0.1 * (np.einsum("dc,cyx->dyx", mixing[0], features) + mixing[1][:, None, None])


def cosines(features: Array, whole: Array, queries: Array, global_bias: float) -> Array:
    """(C, H, W), (C,), (Q, C) -> (Q, H, W), pixel by pixel."""
    _, rows, cols = features.shape
    logits = np.zeros((len(queries), rows, cols))
    for number, query in enumerate(queries):
        for y in range(rows):
            for x in range(cols):
                logits[number, y, x] = unit(query) @ unit(features[:, y, x]) + global_bias * unit(query) @ unit(whole)
    return logits


def decide(logits: Array, class_of: list[int], scale: float, threshold: float, background: int) -> tuple[Any, Any]:
    """(Q, H, W) -> classes (H, W) and the probability of the likeliest one."""
    _, rows, cols = logits.shape
    classes, best = np.zeros((rows, cols), int), np.zeros((rows, cols))
    for y in range(rows):
        for x in range(cols):
            probabilities = softmax(scale * logits[:, y, x])
            by_class = [0.0] * (max(class_of) + 1)
            for query, number in enumerate(class_of):
                by_class[number] = max(by_class[number], float(probabilities[query]))
            best[y, x] = max(by_class)
            classes[y, x] = background if best[y, x] < threshold else by_class.index(best[y, x])
    return classes, best
