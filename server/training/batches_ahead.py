"""Draws the next training batch while the network learns from the current one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from server.training.batches import Batch, draw_batch
from server.training.labelled_images import Source

Drawn = tuple[Batch, np.random.Generator]


@dataclass(frozen=True)
class BatchPlan:
    """Which batch: it depends on nothing else, so that a resumed run sees what an unbroken one does."""

    seed: int
    step: int
    size: int
    n_images: int
    n_prompts: int


class BatchesAhead:
    """Hands out batches by their plan; drawing goes on in a thread, because numpy and cv2 release the interpreter."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self._pool = ThreadPoolExecutor(1)
        self._plan: BatchPlan | None = None
        self._pending: Future[Drawn] | None = None

    def take(self, plan: BatchPlan, following: BatchPlan) -> Drawn:
        """Return a batch and the random numbers that go on from it, and begin with the one that probably follows."""
        pending = self._pending if self._plan == plan else None
        if pending is None:
            pending = self._pool.submit(_draw, self.sources, plan)
        self._plan, self._pending = following, self._pool.submit(_draw, self.sources, following)
        return pending.result()


def _draw(sources: Sequence[Source], plan: BatchPlan) -> Drawn:
    rng = np.random.default_rng((plan.seed, plan.step))
    return draw_batch(sources, plan.size, plan.n_images, plan.n_prompts, rng), rng
