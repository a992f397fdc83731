"""Twenty tiny scenes with a bright road each, and networks small enough to train in a test."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
import torch

from server.datasets.scenes import Dataset, LabelledScene
from server.segmentation.networks.embedded import EmbeddedSam, build_embedded_sam

SIZE = 64
N_SCENES = 20


@dataclass(frozen=True)
class DrawnScene:
    """A grey scene with a bright line, and on request without it."""

    seed: int
    has_road: bool = True

    @property
    def name(self) -> str:
        return f"scene {self.seed}"

    @property
    def group(self) -> str:
        return "north" if self.seed < 16 else "south"

    def read(self) -> LabelledScene:
        rng = np.random.default_rng(self.seed)
        rgb = rng.integers(40, 80, (SIZE + 16, SIZE, 3)).astype(np.uint8)
        road = np.zeros(rgb.shape[:2], np.uint8)
        if self.has_road:
            ends = rng.integers(0, SIZE, 4).tolist()
            cv2.line(road, (ends[0], 0), (ends[1], SIZE + 15), 1, 7)
        rgb[road > 0] += 120
        classes = road.astype(np.int32)
        classes[:2] = -1
        return LabelledScene(self.name, rgb, np.where(classes < 0, -1, classes).astype(np.int32), classes, self.group)


@pytest.fixture(scope="session")
def roads() -> Dataset:
    return Dataset([DrawnScene(seed, has_road=seed % 5 != 3) for seed in range(N_SCENES)], ("road",))


@pytest.fixture
def untrained() -> EmbeddedSam:
    torch.manual_seed(0)
    return build_embedded_sam(SIZE).eval().requires_grad_(False)
