"""Decides how many clicks are decoded at once: few on a processor, on a GPU as many as its memory holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

Found = TypeVar("Found")

# Activations of so few clicks stay near the processor's caches; more at once take longer per click.
CLICKS_ON_CPU = 8
# Memory one click takes while it is decoded, in units of the image embedding: its own copy of the image sequence,
# two intermediates of the same size, attention weights, and twice three times as much while masks are upscaled.
EMBEDDINGS_PER_CLICK = 16
# Share of the free memory that may be planned; the rest is for fragmentation and for other processes.
USABLE_SHARE = 0.7


class ClickBatches:
    """Feeds clicks to the decoder; remembers how many at once have turned out to fit."""

    def __init__(self, limit: int, device: torch.device) -> None:
        """Prepare.

        Args:
            limit: never more than these at once, the user's `points_per_batch`.
            device: where the network is.
        """
        self.n_at_once = limit if device.type == "cuda" else min(limit, CLICKS_ON_CPU)
        self._device = device

    def fit(self, embedding_bytes: int) -> None:
        """Lower the number to what the memory of a GPU holds; elsewhere it is small anyway."""
        if self._device.type == "cuda":
            reusable = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
            usable = (torch.cuda.mem_get_info(self._device)[0] + reusable) * USABLE_SHARE
            affordable = int(usable // (embedding_bytes * EMBEDDINGS_PER_CLICK))
            self.n_at_once = max(1, min(self.n_at_once, affordable))

    def run(self, points: NDArray[np.float64], decode: Callable[[NDArray[np.float64]], list[Found]]) -> list[Found]:
        """Return what `decode` finds at all points, (N, 2), in their order.

        Where the memory of the GPU is not enough, the same points are tried again half as many at a time.

        Raises:
            torch.OutOfMemoryError: not even a single click fits.
        """
        found: list[Found] = []
        n_done = 0
        while n_done < len(points):
            part = points[n_done : n_done + self.n_at_once]
            try:
                found += decode(part)
            except torch.OutOfMemoryError:
                if len(part) == 1:
                    raise
                self.n_at_once = len(part) // 2
            else:
                n_done += len(part)
        return found
