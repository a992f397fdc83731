"""Simulated prompts: where a person would click on an object, draw its box, or click to correct a mask."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from server.training.labelled_images import LOG_AREA_SPREAD, TYPICAL_AREA_PX
from server.training.scene_canvas import Mask

INSIDE, OUTSIDE, NO_CLICK = 1, 0, -1
# Objects of unusual size are still asked for at times: this is the least weight, where a typical one has 1.
LEAST_WEIGHT = 0.1
# Boxes come from people, who are this far off, in shares of the box's sides, and from labels and detectors, whose sides
# touch the object: a network that saw only the former would not trust the latter.
BOX_JITTER, EXACT_BOX_SHARE = 0.08, 0.5


def choose_objects(
    labels: NDArray[np.int32], ids: NDArray[np.int64], n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return `n` of the `ids` in `labels`, those of usual size more often, none twice as long as there are enough."""
    away = np.log(np.bincount(labels[labels > 0])[ids] / TYPICAL_AREA_PX) / LOG_AREA_SPREAD
    weights = LEAST_WEIGHT + (1 - LEAST_WEIGHT) * np.exp(-(away**2) / 2)
    return np.asarray(rng.choice(ids, n, replace=len(ids) < n, p=weights / weights.sum()))


def centre_click(mask: Mask) -> tuple[float, float]:
    """Return x, y in pixels of the pixel deepest inside `mask`, bool (H, W), not empty; also right for crescents."""
    padded = np.pad(mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, col = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(col) + 0.5, float(row) + 0.5


def random_click(mask: Mask, rng: np.random.Generator) -> tuple[float, float]:
    """Return x, y in pixels of a random pixel in `mask`, bool (H, W), not empty."""
    row, col = divmod(int(rng.choice(np.flatnonzero(mask))), mask.shape[1])
    return col + 0.5, row + 0.5


def drawn_box(mask: Mask, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return x0, y0, x1, y1 in pixels around `mask`, exact or as imprecise as by hand."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if rng.random() < EXACT_BOX_SHARE:
        return float(x), float(y), float(x + width), float(y + height)
    jitter = rng.normal(0, BOX_JITTER, 4).clip(-0.25, 0.25) * (width, height, width, height)
    x0, y0, x1, y1 = (float(side) for side in np.array([x, y, x + width, y + height]) + jitter)
    return x0, y0, x1, y1


def corrective_click(mask: Mask, predicted: Mask, rng: np.random.Generator) -> tuple[tuple[float, float], int]:
    """Return where to click next and whether as `INSIDE` or `OUTSIDE`: the middle of the largest error.

    Where `predicted` is perfect the answer is one more click inside.
    """
    errors = (mask != predicted).astype(np.uint8)
    n_areas, areas, statistics, _ = cv2.connectedComponentsWithStats(errors, connectivity=4)
    if n_areas == 1:
        return random_click(mask, rng), INSIDE
    largest = areas == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    x, y = centre_click(largest)
    return (x, y), INSIDE if mask[int(y), int(x)] else OUTSIDE
