"""Training images look as rasters look in the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from server.rasters.windows import PatchReader, PixelWindow
from server.training.shown_colours import stretch_colours


def dull_image() -> np.ndarray:
    return np.random.default_rng(3).normal((90, 110, 60), (12, 9, 20), (80, 100, 3)).clip(1, 255).astype(np.uint8)


def test_it_is_the_stretch_of_the_service(make_raster: Callable[..., Path]) -> None:
    rgb = dull_image()
    with PatchReader(make_raster(bands=np.moveaxis(rgb, 2, 0)), (1, 2, 3)) as reader:
        shown = reader.read_patch(PixelWindow(0, 0, 100, 80)).rgb
    assert np.abs(stretch_colours(rgb).astype(int) - shown).max() <= 3  # the service counts percentiles in bins


def test_ground_without_data_neither_counts_nor_changes() -> None:
    rgb, valid = dull_image(), np.ones((80, 100), bool)
    valid[:40] = False
    rgb[~valid] = 0
    shown = stretch_colours(rgb, valid)
    np.testing.assert_array_equal(shown[valid], stretch_colours(rgb[40:]).reshape(-1, 3))
    assert not shown[~valid].any()
    assert not stretch_colours(np.zeros_like(rgb), np.zeros_like(valid)).any()
