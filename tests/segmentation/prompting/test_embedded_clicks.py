"""Clicks and boxes with the weights this project ships, on a painted scene whose roofs are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely

from server.segmentation.engine import SegmentationEngine
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.prompting.answering import PromptRequest
from server.segmentation.prompting.earlier_masks import Owner
from server.segmentation.prompting.prompts import GivenPrompts

# Roofs (col, row, width, height) of several sizes on a meadow.
ROOFS = [(60, 50, 90, 60), (250, 70, 60, 110), (700, 500, 70, 70), (90, 450, 120, 80), (500, 620, 50, 40)]
OWNER = Owner("client", "raster", "embedded")


@pytest.fixture(scope="module")
def engine() -> SegmentationEngine:
    return SegmentationEngine(CHECKPOINT_FOLDER, "cpu")


@pytest.fixture
def scene(make_raster: Callable[..., Path]) -> Path:
    noise = np.random.default_rng(0).normal(0, 6, (3, 768, 900))
    bands = np.array([70, 105, 60])[:, None, None] + noise
    for col, row, width, height in ROOFS:
        bands[:, row + 8 : row + height + 8, col + 8 : col + width + 8] *= 0.45
        bands[:, row : row + height, col : col + width] = np.array([175, 110, 90])[:, None, None]
    return make_raster(bands=(bands + noise / 2).clip(1, 255).astype(np.uint8), crs=None)


def best_iou(engine: SegmentationEngine, scene: Path, roof: tuple[int, ...], given: GivenPrompts) -> float:
    """Return the IoU of the first mask and the roof."""
    mask = engine.predict(scene, PromptRequest(given, (1, 2, 3), OWNER)).masks[0]
    outline = shapely.geometry.shape(mask.feature["geometry"])
    col, row, width, height = roof
    truth = shapely.box(col, row, col + width, row + height)
    return float(outline.intersection(truth).area / outline.union(truth).area)


def test_a_click_on_a_roof_finds_the_roof(engine: SegmentationEngine, scene: Path) -> None:
    ious = [
        best_iou(engine, scene, roof, GivenPrompts([[roof[0] + roof[2] / 2, roof[1] + roof[3] / 2, 1]], None, "pixel"))
        for roof in ROOFS
    ]
    assert np.median(ious) > 0.8, ious


def test_a_box_around_a_roof_finds_the_roof(engine: SegmentationEngine, scene: Path) -> None:
    ious = []
    for roof in ROOFS:
        col, row, width, height = roof
        ious.append(best_iou(engine, scene, roof, GivenPrompts([], [col, row, col + width, row + height], "pixel")))
    assert np.median(ious) > 0.7, ious


def test_the_network_goes_on_from_a_mask(engine: SegmentationEngine, scene: Path) -> None:
    col, row, width, height = ROOFS[0]
    inside = [col + width / 2, row + height / 2, 1]
    first = engine.predict(scene, PromptRequest(GivenPrompts([inside], None, "pixel"), (1, 2, 3), OWNER))
    points = [inside, [col - 20, row - 20, 0]]
    again = PromptRequest(GivenPrompts(points, None, "pixel"), (1, 2, 3), OWNER, first.masks[0].id, multimask=False)
    masks = engine.predict(scene, again).masks
    assert len(masks) == 1
    outline = shapely.geometry.shape(masks[0].feature["geometry"])
    assert outline.contains(shapely.Point(inside[:2]))
    assert not outline.contains(shapely.Point(points[1][:2]))
