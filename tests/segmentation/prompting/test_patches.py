"""A patch is read once per state of its raster, and memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from server.rasters.windows import PatchReader, PixelWindow
from server.segmentation.prompting.looks import Look
from server.segmentation.prompting.patches import LookReader, PatchCache
from tests.segmentation.prompting.bright_areas import draw_spots

LOOK = Look(PixelWindow(0, 0, 32, 32), (32, 32))
PATCH_BYTES = 32 * 32 * 4


@pytest.fixture
def n_read(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that grows by one with each patch that is read from a file."""
    reads: list[object] = []
    read_patch = PatchReader.read_patch

    def read(self: PatchReader, window: PixelWindow, shape: tuple[int, int] | None = None) -> object:
        reads.append(window)
        return read_patch(self, window, shape)

    monkeypatch.setattr(PatchReader, "read_patch", read)
    return reads


def look_at(source: Path, cache: PatchCache, look: Look = LOOK, bands: tuple[int, ...] = (1, 2, 3)) -> np.ndarray:
    with LookReader(source, bands, cache) as reader:
        return reader.read_look(look).rgb


def test_the_same_look_is_read_once(make_raster: Callable[..., Path], n_read: list[object]) -> None:
    source, cache = make_raster(), PatchCache(10 * PATCH_BYTES)
    first = look_at(source, cache)
    np.testing.assert_array_equal(look_at(source, cache), first)
    assert len(n_read) == 1
    assert not np.array_equal(look_at(source, cache, bands=(3, 2, 1)), first)
    look_at(source, cache, Look(LOOK.window, (16, 16)))
    assert len(n_read) == 3


def test_another_raster_in_its_place_is_read_again(make_raster: Callable[..., Path], n_read: list[object]) -> None:
    cache = PatchCache(10 * PATCH_BYTES)
    first = look_at(make_raster(), cache)
    second = look_at(make_raster(bands=draw_spots((64, 48), (3, 3, 20, 20))), cache)
    assert len(n_read) == 2
    assert not np.array_equal(first, second)


def test_memory_is_bounded_and_the_last_used_stay(make_raster: Callable[..., Path], n_read: list[object]) -> None:
    source, cache = make_raster(), PatchCache(2 * PATCH_BYTES)
    looks = [Look(PixelWindow(col, 0, 32, 32), (32, 32)) for col in (0, 1, 2)]
    for index in (0, 1, 0, 2, 0):
        look_at(source, cache, looks[index])
    assert len(n_read) == 3
    look_at(source, cache, looks[1])
    assert len(n_read) == 4
