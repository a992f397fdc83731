"""Drawn tiles are kept until their files change or others need the room; what goes wrong is told to all who wait."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from server.errors import BadParameter, NotARaster
from server.rasters import tile_cache
from server.rasters.preview import LabelFilter
from server.rasters.tile_cache import TileCache
from server.rasters.tiles import render_label_tile, render_tile

FIRST = (0, 0, 0)
MEGABYTE = 2**20


@pytest.fixture
def path(make_raster: Callable[..., Path]) -> Path:
    return make_raster("source.tif", crs=None)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Return the places of tiles that are really drawn."""
    places: list[tuple[int, ...]] = []

    def render(path: Path, *place: int, **choices: object) -> bytes | None:
        places.append(place)
        return render_tile(path, *place, **choices)  # type: ignore[arg-type]

    monkeypatch.setattr(tile_cache, "render_tile", render)
    return places


def test_a_second_look_draws_nothing(path: Path, drawn: list[tuple[int, ...]]) -> None:
    cache = TileCache(MEGABYTE)
    assert cache.tile(path, FIRST) == cache.tile(path, FIRST) == render_tile(path, *FIRST)
    assert cache.tile(path, (0, 1, 0)) is cache.tile(path, (0, 1, 0)) is None
    assert drawn == [FIRST, (0, 1, 0)]


def test_other_choices_and_changed_files_are_drawn_anew(path: Path, drawn: list[tuple[int, ...]]) -> None:
    cache = TileCache(MEGABYTE)
    cache.tile(path, FIRST)
    assert cache.tile(path, FIRST, mode="none") == render_tile(path, *FIRST, mode="none")
    assert cache.tile(path, FIRST, band_indexes=(3, 2, 1)) == render_tile(path, *FIRST, band_indexes=(3, 2, 1))
    os.utime(path, ns=(1, 1))
    cache.tile(path, FIRST)
    assert len(drawn) == 4


def test_the_least_recently_used_tile_makes_room(path: Path, drawn: list[tuple[int, ...]]) -> None:
    size = len(render_tile(path, *FIRST) or b"") + tile_cache.ENTRY_BYTES
    cache = TileCache(size + tile_cache.ENTRY_BYTES)
    for place in (FIRST, (0, 1, 0), FIRST, (0, 2, 0), FIRST, (0, 1, 0)):
        cache.tile(path, place)
    assert drawn == [FIRST, (0, 1, 0), (0, 2, 0), (0, 1, 0)]


def test_without_room_every_look_draws(path: Path, drawn: list[tuple[int, ...]]) -> None:
    cache = TileCache(0)
    assert cache.tile(path, FIRST) == cache.tile(path, FIRST)
    assert len(drawn) == 2


def test_one_thread_draws_for_all_who_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n_drawn = 0
    all_ask = threading.Barrier(4, timeout=30)

    def render(*_: object, **__: object) -> bytes:
        nonlocal n_drawn
        n_drawn += 1
        all_ask.wait()
        return b"picture"

    monkeypatch.setattr(tile_cache, "render_tile", render)
    cache = TileCache(MEGABYTE)

    def ask() -> bytes | None:
        waiting = threading.Timer(0.1, all_ask.wait)  # the one who draws goes on when three others have asked
        waiting.start()
        return cache.tile(path, FIRST)

    with ThreadPoolExecutor(3) as pool:
        assert [asked.result() for asked in [pool.submit(ask) for _ in range(3)]] == [b"picture"] * 3
    assert n_drawn == 1


def test_mistakes_are_told_and_not_kept(path: Path) -> None:
    cache = TileCache(MEGABYTE)
    for _ in range(2):
        with pytest.raises(BadParameter, match="Band 9"):
            cache.tile(path, FIRST, band_indexes=(1, 1, 9))
    with pytest.raises(NotARaster):
        cache.tile(path.with_name("gone.tif"), FIRST)


def test_label_tiles_follow_their_filter_and_its_raster(make_raster: Callable[..., Path]) -> None:
    labels = make_raster("labels.tif", np.array([[[1, 2], [2, 1]]], np.uint16), crs=None)
    likely = make_raster("probability.tif", np.full((1, 2, 2), 60, np.uint8), crs=None)
    cache = TileCache(MEGABYTE)
    assert cache.label_tile(labels, FIRST) == render_label_tile(labels, *FIRST)
    assert cache.label_tile(labels, FIRST, alpha=1.0) == render_label_tile(labels, *FIRST, alpha=1.0)
    without_first = LabelFilter(hidden=frozenset([1]))
    assert cache.label_tile(labels, FIRST, shown=without_first) == render_label_tile(
        labels, *FIRST, shown=without_first
    )
    shown = LabelFilter(likely, minimum=50.0)
    assert cache.label_tile(labels, FIRST, shown=shown) is not None
    make_raster("probability.tif", np.full((1, 2, 2), 40, np.uint8), crs=None)
    os.utime(likely, ns=(1, 1))
    assert cache.label_tile(labels, FIRST, shown=shown) is None
