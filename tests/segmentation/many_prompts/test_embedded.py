"""Many prompts with the weights this project ships: the same outlines as one by one, behind people's clicks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely

from server.errors import Cancelled
from server.segmentation.engine import SegmentationEngine
from server.segmentation.many_prompts.answering import ManyPromptsRequest
from server.segmentation.many_prompts.placed import PlacedPrompt
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.prompting.answering import PromptRequest
from server.segmentation.prompting.earlier_masks import Owner
from server.segmentation.prompting.prompts import GivenPrompts

# Roofs (col, row, width, height) on a meadow.
ROOFS = [(60, 50, 90, 60), (250, 70, 60, 110), (90, 350, 120, 80), (350, 330, 50, 40)]
BOXES = [(col, row, col + width, row + height) for col, row, width, height in ROOFS]
BANDS = (1, 2, 3)


@pytest.fixture(scope="module")
def engine() -> SegmentationEngine:
    return SegmentationEngine(CHECKPOINT_FOLDER, "cpu")


@pytest.fixture
def scene(make_raster: Callable[..., Path]) -> Path:
    noise = np.random.default_rng(0).normal(0, 6, (3, 500, 500))
    bands = np.array([70, 105, 60])[:, None, None] + noise
    for col, row, width, height in ROOFS:
        bands[:, row + 8 : row + height + 8, col + 8 : col + width + 8] *= 0.45
        bands[:, row : row + height, col : col + width] = np.array([175, 110, 90])[:, None, None]
    return make_raster(bands=(bands + noise / 2).clip(1, 255).astype(np.uint8), crs=None)


def test_boxes_of_roofs_become_roofs(engine: SegmentationEngine, scene: Path) -> None:
    told: list[float] = []
    request = ManyPromptsRequest([PlacedPrompt(box, "roof") for box in BOXES], BANDS, "embedded")
    result = engine.answer_many(scene, request, lambda share, _step: told.append(share))
    assert [item.class_name for item in result.objects] == ["roof"] * 4
    ious = [
        item.outline.intersection(shapely.box(*box)).area / item.outline.union(shapely.box(*box)).area
        for item, box in zip(result.objects, BOXES, strict=True)
    ]
    assert np.median(ious) > 0.7, ious
    assert told[0] == 0
    one_by_one = []
    for box in BOXES:
        asked = PromptRequest(GivenPrompts([], box, "pixel"), BANDS, Owner("client", "raster", "embedded"))
        one_by_one.append(shapely.geometry.shape(engine.predict(scene, asked).masks[0].feature["geometry"]))
    assert all(item.outline.equals(one) for item, one in zip(result.objects, one_by_one, strict=True))


def test_it_can_be_cancelled_inside_the_network(engine: SegmentationEngine, scene: Path) -> None:
    told: list[float] = []

    def report(share: float, _step: str) -> None:
        told.append(share)
        if len(told) > 1:
            raise Cancelled

    prompts = [PlacedPrompt((x, y)) for x in range(5, 500, 15) for y in (80.0, 400.0)]
    with pytest.raises(Cancelled):
        engine.answer_many(scene, ManyPromptsRequest(prompts, BANDS, "embedded"), report)
    assert told[-1] < 0.98
