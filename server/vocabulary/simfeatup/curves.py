"""Keeps what a run measured: a CSV row per step, and a picture of both losses."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from server.vocabulary.simfeatup.losses import Losses

COLUMNS = ("step", *Losses._fields)
LOG_FILE, CURVE_FILE = "log.csv", "curve.png"
SMOOTHING_STEPS = 20
PANEL_SIZE, MARGIN_PX = (450, 320), 40  # width, height
COLOURS = {"reconstruction": (70, 150, 40), "image": (190, 110, 30)}


class LossLog:
    """Writes `log.csv` and `curve.png` in the folder of a run."""

    def __init__(self, folder: Path, n_steps: int) -> None:
        """Continue the log of `folder`, forgetting rows after `n_steps` that a crash left behind."""
        self._path = folder / LOG_FILE
        self.rows = [row for row in _read_rows(self._path) if row[0] <= n_steps]
        with self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *self.rows])

    def add(self, step: int, losses: Losses) -> None:
        """Append one row."""
        row = [float(step), *(round(float(part.detach()), 6) for part in losses)]
        self.rows.append(row)
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)

    def draw(self) -> None:
        """Draw the running means of both losses side by side; without rows there is no picture."""
        if self.rows:
            values = np.array(self.rows)
            panels = [_draw_panel(name, values[:, COLUMNS.index(name)]) for name in COLOURS]
            cv2.imwrite(str(self._path.with_name(CURVE_FILE)), np.hstack(panels))


def _read_rows(path: Path) -> list[list[float]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [[float(cell) for cell in row] for row in list(csv.reader(file))[1:] if len(row) == len(COLUMNS)]


def _draw_panel(name: str, values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) of a running mean, from its lowest value below to its highest above."""
    width, height = PANEL_SIZE
    panel = np.full((height, width, 3), 255, np.uint8)
    window = min(SMOOTHING_STEPS, len(values))
    smooth = np.convolve(values, np.ones(window) / window, mode="valid")
    low, high = float(smooth.min()), float(smooth.max())
    shares = (smooth - low) / max(high - low, 1e-9)
    xs = np.linspace(MARGIN_PX, width - MARGIN_PX, len(shares))
    ys = height - MARGIN_PX - shares * (height - 2 * MARGIN_PX)
    cv2.polylines(panel, [np.stack([xs, ys], axis=1).astype(np.int32)], False, COLOURS[name], 2, cv2.LINE_AA)
    caption = f"{name} loss, {len(values)} steps: {smooth[0]:.3f} to {smooth[-1]:.3f}"
    for text, y in (
        (caption, height - 12),
        (f"highest {high:.3f}", 18),
        (f"lowest {low:.3f}", height - MARGIN_PX + 14),
    ):
        cv2.putText(panel, text, (MARGIN_PX, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
    return panel
