"""Ranks objects by how much they look like a few examples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# What a factor of e in area costs; the examples' likeness is 1.
AREA_COST = 0.3
# Half way between the average object and the examples.
ALIKE = 0.5
LEAST_SPREAD = 1e-9
# Standard deviations from the mean beyond which one number says no more; a single odd one must not decide.
FARTHEST = 4.0


def rank_alike(
    objects: NDArray[np.float64],
    object_areas: NDArray[np.float64],
    examples: NDArray[np.float64],
    example_areas: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return (N,) scores: 1 for what looks like the mean of the examples and is as large, about 0 for the average.

    Every number of a descriptor counts by how far the examples' mean is from that of all objects, in standard
    deviations of all objects. Taking the covariance into account (exemplar-LDA) was tried and did not rank better
    throughout; see docs/decisions/0004-annotation-layer.md.

    Args:
        objects: (N, D) descriptors, N at least 1.
        object_areas: (N,) in pixels.
        examples: (K, D) descriptors, K at least 1.
        example_areas: (K,) in pixels.
    """
    centre, spread = objects.mean(axis=0), objects.std(axis=0)
    varies = spread > LEAST_SPREAD
    standard, exemplary = (
        np.clip((rows - centre)[:, varies] / spread[varies], -FARTHEST, FARTHEST) for rows in (objects, examples)
    )
    meant = exemplary.mean(axis=0)
    scale = float(meant @ meant)
    likeness = standard @ meant / scale if scale > LEAST_SPREAD else np.zeros(len(objects))
    size = np.log(np.maximum(object_areas, 1)) - np.log(np.maximum(example_areas, 1)).mean()
    scores: NDArray[np.float64] = likeness - AREA_COST * np.abs(size)
    return scores
