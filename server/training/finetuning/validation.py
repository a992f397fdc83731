"""Looks at the validation area while training goes on, and says when it has stopped getting better."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from server.training.finetuning.answering import answer, reduce_masks
from server.training.finetuning.examples import Examples
from server.training.finetuning.prompts import PromptedMasks
from server.training.labelled_images import UNKNOWN
from server.training.metrics.pixels import PixelCounts, count_pixels

VALIDATION_FILE = "validation.csv"


@dataclass
class Progress:
    """What validation has shown so far.

    Attributes:
        best_iou: highest so far.
        best_step: when it was reached; the lowest step where several are equal.
        n_without_gain: looks since then.
    """

    best_iou: float = -1.0
    best_step: int = 0
    n_without_gain: int = 0

    def note(self, step: int, iou: float) -> bool:
        """Take in a look; return whether it is the best."""
        is_best = iou > self.best_iou
        if is_best:
            self.best_iou, self.best_step = iou, step
        self.n_without_gain = 0 if is_best else self.n_without_gain + 1
        return is_best

    def to_state(self) -> dict[str, float]:
        """Return the attributes by name."""
        return asdict(self)


@torch.no_grad()
def count_class_pixels(network: Any, examples: Examples, n_windows: int) -> PixelCounts:
    """Run the class mode on every validation window as it is and compare it with the labels, where known.

    Pixels are those of the masks as the decoder gives them, several image pixels wide.
    """
    counts = PixelCounts(0, 0, 0)
    for number in range(n_windows):
        embedding, labels = examples.get(number, 0)
        prompts = PromptedMasks((labels > 0)[None], labels != UNKNOWN)
        logits = answer(network, embedding.to(network.device), prompts)[0].cpu()
        side = logits.shape[-1]
        is_meant, is_known = (
            reduce_masks(masks, side)[0, 0].numpy() > 0.5 for masks in (prompts.masks, prompts.known[None])
        )
        counts = counts + count_pixels(logits[0, 0].numpy() > 0, is_meant, is_known)
    return counts


def log_validation(folder: Path, step: int, iou: float) -> None:
    """Append a row to `validation.csv`, without rows of `step` or later that a crash left behind."""
    path = folder / VALIDATION_FILE
    rows = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in list(csv.reader(file))[1:] if int(row[0]) < step]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("step", "iou"), *rows, (step, f"{iou:.6g}")])
