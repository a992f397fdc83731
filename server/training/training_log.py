"""Keeps what a training run measured: a CSV row per step and a picture of the curve."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from server.training.losses import Losses

COLUMNS = ("step", "learning_rate", "loss", "mask_loss", "quality_loss", "best_iou", "chosen_iou")
LOG_FILE, CURVE_FILE = "log.csv", "curve.png"
SMOOTHING_STEPS = 50
CURVE_SIZE = (900, 420)  # width, height
MARGIN_PX = 44


class TrainingLog:
    """Writes `log.csv` and `curve.png` in the folder of a run."""

    def __init__(self, folder: Path, first_step: int) -> None:
        """Continue the log of `folder`, forgetting rows after `first_step` that a crash left behind."""
        self._path = folder / LOG_FILE
        self._rows = [row for row in _read_rows(self._path) if row[0] <= first_step]
        with self._path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(_format(row) for row in self._rows)

    def add(self, step: int, learning_rate: float, losses: Losses) -> None:
        """Append one row."""
        parts = (losses.total, losses.mask, losses.quality, losses.best_iou, losses.chosen_iou)
        row = [float(step), learning_rate, *(float(part.detach()) for part in parts)]
        self._rows.append(row)
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(_format(row))

    def summary(self) -> str:
        """Return the mean loss and IoUs of the last steps in a few words."""
        recent = np.array(self._rows[-SMOOTHING_STEPS:]).mean(axis=0)
        return f"loss {recent[2]:.3f}, best IoU {recent[5]:.3f}, chosen IoU {recent[6]:.3f}"

    def draw(self) -> None:
        """Draw the smoothed best (green) and chosen (blue) IoU over the steps, 0 below to 1 above; none, no picture."""
        if not self._rows:
            return
        values = np.array(self._rows)
        width, height = CURVE_SIZE
        picture = np.full((height, width, 3), 255, np.uint8)
        for level in np.linspace(0, 1, 11):
            y = round(height - MARGIN_PX - level * (height - 2 * MARGIN_PX))
            cv2.line(picture, (MARGIN_PX, y), (width - MARGIN_PX, y), (225, 225, 225), 1)
            cv2.putText(
                picture, f"{level:.1f}", (8, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (90, 90, 90), 1, cv2.LINE_AA
            )
        for column, colour in ((5, (70, 150, 40)), (6, (190, 110, 30))):
            points = _curve(values[:, 0], values[:, column])
            cv2.polylines(picture, [points], False, colour, 2, cv2.LINE_AA)
        caption = f"mean IoU over {SMOOTHING_STEPS} steps: best mask (green), chosen mask (blue); {len(values)} steps"
        place = (MARGIN_PX, height - 14)
        cv2.putText(picture, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
        cv2.imwrite(str(self._path.with_name(CURVE_FILE)), picture)


def _curve(steps: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the picture coordinates (N, 2) of a running mean."""
    window = min(SMOOTHING_STEPS, len(values))
    sums = np.cumsum(np.concatenate([np.zeros(1), values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    smooth = (sums[ends] - sums[starts]) / (ends - starts)
    width, height = CURVE_SIZE
    x = MARGIN_PX + steps / steps.max() * (width - 2 * MARGIN_PX)
    y = height - MARGIN_PX - smooth * (height - 2 * MARGIN_PX)
    return np.stack([x, y], axis=1).astype(np.int32)


def _read_rows(path: Path) -> list[list[float]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [[float(value) for value in row] for row in list(csv.reader(file))[1:]]


def _format(row: list[float]) -> list[str]:
    return [str(int(row[0])), *(f"{value:.6g}" for value in row[1:])]
