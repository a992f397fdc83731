"""Ranks objects by how much they look like a few examples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Weight of the identity beside the objects' own covariance: with more numbers per object than objects, the covariance
# alone would find a direction for any accident.
SHRINKAGE = 0.3
# Half way between the average object and the examples.
ALIKE = 0.5
LEAST_SPREAD = 1e-9


def rank_alike(objects: NDArray[np.float64], examples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N,) scores: 1 for what looks like the mean of the examples, 0 for the average object.

    The direction is that of linear discriminant analysis between the examples and everything, with the covariance of
    everything: exemplar-LDA (Hariharan, Malik, Ramanan 2012), which needs no example of what is not meant.

    Args:
        objects: (N, D) descriptors, N at least 1.
        examples: (K, D) descriptors, K at least 1.
    """
    centre = objects.mean(axis=0)
    spread = np.maximum(objects.std(axis=0), LEAST_SPREAD)
    is_constant = spread <= LEAST_SPREAD
    standard = np.where(is_constant, 0.0, (objects - centre) / spread)
    meant = np.where(is_constant, 0.0, (examples.mean(axis=0) - centre) / spread)
    covariance = standard.T @ standard / len(standard)
    direction = np.linalg.solve((1 - SHRINKAGE) * covariance + SHRINKAGE * np.eye(len(covariance)), meant)
    scale = float(meant @ direction)
    return standard @ direction / scale if scale > LEAST_SPREAD else np.zeros(len(objects))
