"""Scenes of bright squares on dark ground, which a network's stand-in outlines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from server.datasets.scenes import LabelledScene
from server.segmentation.mask_records import MaskRecord, Thresholds, crop_mask
from tests.segmentation.prompting.bright_areas import area_at


class EveryBrightArea:
    """Finds all bright areas of a patch, as a mask generator does."""

    input_size = 64

    def generate(self, rgb: np.ndarray, tell: Callable[[float], None]) -> list[MaskRecord]:
        bright, records = rgb[..., 0] > 100, []
        for row, col in np.argwhere(bright).tolist():
            if bright[row, col]:
                area = area_at(bright, col, row)
                bright &= ~area
                records.append(MaskRecord(*crop_mask(area), 0.9, 0.9, (col, row)))
        tell(1.0)
        return records

    def generate_at(
        self, rgb: np.ndarray, points_xy: np.ndarray, thresholds: Thresholds, tell: Callable[[float], None]
    ) -> list[MaskRecord]:
        raise NotImplementedError


@pytest.fixture
def make_scene() -> Callable[..., LabelledScene]:
    def make(*squares: tuple[int, int, int, int, int], name: str = "scene", side: int = 60) -> LabelledScene:
        """Return a scene; a square is its row, column, height, width and object id, and bright unless the id is -1."""
        rgb, objects = np.full((side, side, 3), 20, np.uint8), np.zeros((side, side), np.int32)
        for row, col, height, width, object_id in squares:
            objects[row : row + height, col : col + width] = object_id
            if object_id > 0:
                rgb[row : row + height, col : col + width] = 220
        return LabelledScene(name, rgb, objects, np.sign(objects), "area")

    return make
