"""The whole way with the weights this project ships: a raster in, labels and outlines out, nothing faked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio

from server.segmentation.engine import SegmentationEngine
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.parameters import PRESETS, MaskGeneratorSettings
from server.segmentation.whole_raster.segmenting import SegmentRequest

# Roofs (col, row, width, height) of three sizes on a meadow.
ROOFS = [(60, 50, 90, 60), (250, 70, 60, 110), (380, 300, 70, 70), (90, 250, 120, 80), (300, 420, 50, 40)]


@pytest.fixture(scope="module")
def engine() -> SegmentationEngine:
    return SegmentationEngine(CHECKPOINT_FOLDER, "cpu")


# Tiles, slate, gravel, sheet metal, old tiles.
COLOURS = [(175, 110, 90), (95, 100, 115), (165, 160, 150), (205, 210, 215), (140, 75, 60)]


def draw_scene(colours: list[tuple[int, int, int]]) -> np.ndarray:
    """Return uint8 (3, 512, 512): roofs of these colours with a shadow each on noisy green."""
    noise = np.random.default_rng(0).normal(0, 6, (3, 512, 512))
    bands = np.array([70, 105, 60])[:, None, None] + noise
    for (col, row, width, height), colour in zip(ROOFS, colours, strict=True):
        bands[:, row + 8 : row + height + 8, col + 8 : col + width + 8] *= 0.45
        bands[:, row : row + height, col : col + width] = np.array(colour)[:, None, None]
    return (bands + noise / 2).clip(1, 255).astype(np.uint8)


def best_ious(labels: np.ndarray) -> list[float]:
    """Return for each roof the IoU of the object that fits it best."""
    ious = []
    for col, row, width, height in ROOFS:
        roof = np.zeros(labels.shape, dtype=bool)
        roof[row : row + height, col : col + width] = True
        touching = [labels == object_id for object_id in np.unique(labels[roof]) if object_id]
        ious.append(max((float((mask & roof).sum() / (mask | roof).sum()) for mask in touching), default=0.0))
    return ious


# Distant roofs of exactly one colour are still several objects.
@pytest.mark.parametrize("colours", [COLOURS, COLOURS[:1] * 5], ids=["several colours", "one colour"])
def test_roofs_are_found(
    engine: SegmentationEngine, make_raster: Callable[..., Path], tmp_path: Path, colours: list[tuple[int, int, int]]
) -> None:
    settings = MaskGeneratorSettings.from_mapping(PRESETS["fast"])
    source = make_raster(bands=draw_scene(colours))
    result = engine.segment(source, tmp_path, SegmentRequest((1, 2, 3), settings, "embedded"), lambda *_: None)
    with rasterio.open(tmp_path / "labels.tif") as raster:
        labels = raster.read(1)
    assert sorted(set(labels.ravel().tolist()) | {0}) == list(range(result.n_objects + 1))
    assert pyogrio.read_info(tmp_path / "objects.gpkg")["features"] == result.n_objects
    assert np.median(best_ious(labels)) > 0.5
