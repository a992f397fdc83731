"""What objects look like, as one row of numbers each, summed up window by window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]
Features = NDArray[np.float32]
N_COLOUR_VALUES = 6


class DescriptorSums:
    """Sums over the pixels of N objects, of what the network and the bands say there.

    Attributes:
        n_pixels: float64 (N,), pixels seen of each object so far.
    """

    def __init__(self, n_objects: int, n_channels: int) -> None:
        self._features = np.zeros((n_objects, n_channels), np.float32)
        self._colours = np.zeros((n_objects, N_COLOUR_VALUES))
        self.n_pixels = np.zeros(n_objects)

    def add(self, labels: Labels, rgb: NDArray[np.uint8], features: Features) -> None:
        """Add what one window shows.

        Args:
            labels: (H, W), row number + 1 of the object each pixel belongs to, 0 for none.
            rgb: (H, W, 3).
            features: (C, h, w) on a coarser grid over the same ground.
        """
        inside = np.flatnonzero(labels)
        if not inside.size:
            return
        objects, places = np.unique(labels.ravel()[inside], return_inverse=True)
        rows, n_found = objects - 1, len(objects)
        self._features[rows] += _sum_features(places, _cells_of(labels.shape, features.shape[1:])[inside], features)
        colours = rgb.reshape(-1, 3)[inside].astype(np.float64)
        for column, values in enumerate(np.hstack([colours, colours**2]).T):
            self._colours[rows, column] += np.bincount(places, values, minlength=n_found)
        self.n_pixels[rows] += np.bincount(places, minlength=n_found)

    def describe(self) -> NDArray[np.float64]:
        """Return (N, C + 6): mean features, then mean and spread of the three bands; 0 for what was not seen."""
        n_pixels = np.maximum(self.n_pixels, 1)[:, None]
        means, squares = self._colours[:, :3] / n_pixels, self._colours[:, 3:] / n_pixels
        spread = np.sqrt(np.maximum(squares - means**2, 0))
        return np.hstack([self._features / n_pixels, means, spread])


def _sum_features(places: NDArray[np.int64], cells: NDArray[np.int64], features: Features) -> Features:
    """Return (n, C): for n objects the sum of the features under their pixels.

    Args:
        places: (P,) number of the object of each pixel, 0..n - 1, each at least once.
        cells: (P,) number of the cell each pixel lies in.
        features: (C, h, w).
    """
    by_cell = features.reshape(len(features), -1)
    # Most cells hold many pixels of one object: those are counted instead of added up.
    pairs, counts = np.unique(places * by_cell.shape[1] + cells, return_counts=True)
    objects, found = np.divmod(pairs, by_cell.shape[1])
    starts = np.searchsorted(objects, np.arange(objects[-1] + 1))
    sums: Features = np.add.reduceat(by_cell[:, found] * counts.astype(np.float32), starts, axis=1).T
    return sums


def _cells_of(shape: tuple[int, ...], grid: tuple[int, ...]) -> NDArray[np.int64]:
    """Return (H * W,): the number of the cell of a coarser (h, w) grid that each pixel of (H, W) lies in."""
    rows = np.arange(shape[0]) * grid[0] // shape[0]
    cols = np.arange(shape[1]) * grid[1] // shape[1]
    cells: NDArray[np.int64] = (rows[:, None] * grid[1] + cols).ravel()
    return cells
