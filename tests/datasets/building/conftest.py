"""Bright rectangles on dark ground, and a stand-in network that outlines what is bright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from server.datasets.building.building import DatasetBuilder, Source
from server.datasets.building.data_sheet import Making, Provenance
from server.datasets.building.opening import open_source
from server.datasets.building.settings import BuildSettings
from server.datasets.building.summary import BuildSummary
from server.datasets.detections.fitting import Target
from server.datasets.detections.records import Box, Detection, corners_of
from server.segmentation.batch_prompts.prompts import PromptBatch
from server.segmentation.mask_records import MaskRecord, crop_mask

MAKING = Making("yolo", "stand-in", "0" * 64, "1.2.3", "one by one")
INPUT_PX = 64


class BrightNetwork:
    """Implements `BatchNetwork`: the bright area under the place, then everything, which it rates higher."""

    def __init__(self, input_size: int = INPUT_PX) -> None:
        self.input_size = input_size
        self.n_patches = 0
        self.asked: list[PromptBatch] = []

    def answer(self, rgb: NDArray[np.uint8], prompts: PromptBatch, *, multimask: bool) -> list[list[MaskRecord]]:
        self.n_patches += 1
        self.asked.append(prompts)
        _, areas = cv2.connectedComponents((rgb[..., 0] > 128).astype(np.uint8), connectivity=4)
        answers = []
        for x, y in prompts.places_xy:
            area = areas[int(y), int(x)]
            masks = [(areas == area) & (area > 0), np.ones(areas.shape, bool)][: 2 if multimask else 1]
            cropped = [(crop_mask(mask), rating) for mask, rating in zip(masks, (0.9, 0.95), strict=False)]
            answers.append([MaskRecord(*found, rating, 0.99, (x, y)) for found, rating in cropped if found])
        return answers


class Interrupted(Exception):
    """Anything that ends a run."""


@pytest.fixture
def network() -> BrightNetwork:
    return BrightNetwork()


@pytest.fixture
def make_target() -> Callable[..., Target]:
    """Return a target with an upright box, or with corners."""

    def make(number: int, box: tuple[float, ...] | np.ndarray, name: str = "car") -> Target:
        corners = corners_of(Box(*box)) if isinstance(box, tuple) else np.asarray(box, float)
        detection = Detection("a", name, corners, False, "a.txt, line 1")
        return Target(number, detection, detection.box)

    return make


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Return a folder with two images and YOLO boxes around their bright rectangles, one box on dark ground."""
    folder = tmp_path / "scene"
    folder.mkdir()
    for name, boxes in {
        "a": [(0, 10, 10, 30, 20), (1, 50, 5, 60, 40), (0, 100, 60, 118, 70)],
        "b": [(1, 5, 5, 25, 15), (0, 40, 30, 50, 36)],
    }.items():
        image = np.full((80, 120, 3), 40, np.uint8)
        rows = []
        for number, x0, y0, x1, y1 in boxes:
            image[y0:y1, x0:x1] = 200
            rows.append(f"{number} {(x0 + x1) / 240} {(y0 + y1) / 160} {(x1 - x0) / 120} {(y1 - y0) / 80}")
        if name == "b":
            rows.append(f"0 {80 / 120} {60 / 80} {10 / 120} {10 / 80}")
        cv2.imwrite(str(folder / f"{name}.png"), image)
        (folder / f"{name}.txt").write_text("\n".join(rows))
    return folder


@pytest.fixture
def open_scene(scene: Path) -> Callable[[], Source]:
    return lambda: open_source(scene, scene, "yolo", ["car", "bus"], None)


@pytest.fixture
def build(open_scene, tmp_path: Path) -> Callable[..., BuildSummary]:
    """Build a dataset."""

    def run(
        out: str = "out",
        settings: BuildSettings | None = None,
        source: Source | None = None,
        network: BrightNetwork | None = None,
    ) -> BuildSummary:
        builder = DatasetBuilder(source or open_scene(), settings or BuildSettings(), MAKING, tmp_path / out)
        return builder.build(network or BrightNetwork(), Provenance(image_licence="CC0"))

    return run
