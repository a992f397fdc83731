"""Lets a dataset's job share its network with people who click, and stop soon when it is told to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from server.jobs.tasks import Report
from server.segmentation.batch_prompts.prompts import BatchNetwork, PromptBatch
from server.segmentation.mask_records import MaskRecord

# Half a second of work on two cores: a click waits no longer than that.
PROMPTS_IN_A_TURN = 16


class InTurns:
    """Implements `BatchNetwork`: hands on a few prompts at a time, so that others get their turn between them."""

    def __init__(self, network: BatchNetwork, check: Callable[[], None]) -> None:
        """Prepare.

        Args:
            network: takes a turn for each call, and keeps what its encoder made of the latest patch.
            check: called before each turn; may raise to stop.
        """
        self._network = network
        self._check = check
        self.input_size = network.input_size

    def answer(self, rgb: NDArray[np.uint8], prompts: PromptBatch, *, multimask: bool) -> list[list[MaskRecord]]:
        """Return the candidates of every prompt; see `BatchNetwork`."""
        found: list[list[MaskRecord]] = []
        for start in range(0, len(prompts), PROMPTS_IN_A_TURN):
            self._check()
            part = prompts.cut(start, start + PROMPTS_IN_A_TURN)
            found += self._network.answer(rgb, part, multimask=multimask)
        return found


class BuildProgress:
    """Tells how far images are, as a part of a longer job."""

    def __init__(self, report: Report, n_images: int, start: float) -> None:
        """Take where the progress goes and the share of the job that is done before the first image."""
        self._report = report
        self._n_images = n_images
        self._start = start
        self._n_finished = 0

    def tell(self, n_finished: int) -> None:
        """Note the number of finished images; may raise to stop."""
        self._n_finished = n_finished
        self.check()

    def check(self) -> None:
        """Say again how far it is; may raise to stop."""
        share = self._n_finished / max(self._n_images, 1)
        step = f"image {min(self._n_finished + 1, self._n_images)} of {self._n_images}"
        self._report(self._start + (1 - self._start) * share, step)
