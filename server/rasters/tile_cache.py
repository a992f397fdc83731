"""Keeps drawn tiles in memory: people who look at the same scene, or come back to it, get them at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from pathlib import Path
from threading import Lock

from cachetools import LRUCache

from server.rasters.preview import SHOW_ALL, LabelFilter
from server.rasters.side_files import read_state
from server.rasters.stretch import StretchMode
from server.rasters.tiles import render_label_tile, render_tile

Drawn = bytes | None
# What a tile costs besides its picture: an empty one is kept, too.
ENTRY_BYTES = 500


class TileCache:
    """Tiles by raster, state of its files, place and choices; the least recently used go first. Safe for threads."""

    def __init__(self, max_bytes: int) -> None:
        self._tiles = LRUCache[Hashable, Drawn](max_bytes, _size)
        self._coming: dict[Hashable, Future[Drawn]] = {}
        self._lock = Lock()

    def tile(
        self,
        path: Path,
        place: tuple[int, int, int],
        *,
        band_indexes: tuple[int, ...] | None = None,
        mode: StretchMode = "percentile",
    ) -> Drawn:
        """Return what `render_tile` does; `place` is zoom, x, y.

        Raises:
            BadParameter: a band is out of range.
            NotARaster: the raster cannot be read.
        """
        return self._find_or_draw(
            (path, place, band_indexes, mode),
            [path],
            lambda: render_tile(path, *place, band_indexes=band_indexes, mode=mode),
        )

    def label_tile(
        self, path: Path, place: tuple[int, int, int], *, alpha: float = 0.6, shown: LabelFilter = SHOW_ALL
    ) -> Drawn:
        """Return what `render_label_tile` does; `place` is zoom, x, y.

        Raises:
            NotARaster: the labels cannot be read.
        """
        files = [path] if shown.probability is None else [path, shown.probability]
        return self._find_or_draw(
            (path, place, alpha, shown), files, lambda: render_label_tile(path, *place, alpha=alpha, shown=shown)
        )

    def _find_or_draw(self, what: Hashable, files: list[Path], draw: Callable[[], Drawn]) -> Drawn:
        """Return a kept tile, one that another thread is drawing, or a new one."""
        try:
            key = (what, str([read_state(path) for path in files]))
        except OSError:
            return draw()  # says itself what is wrong
        with self._lock:
            if key in self._tiles:
                return self._tiles[key]
            coming = self._coming.get(key)
            is_mine = coming is None
            if coming is None:
                coming = self._coming[key] = Future()
        if is_mine:
            self._draw(key, coming, draw)
        return coming.result()

    def _draw(self, key: Hashable, coming: Future[Drawn], draw: Callable[[], Drawn]) -> None:
        try:
            drawn = draw()
        except Exception as error:  # noqa: BLE001 - whoever waits for the tile is told the same
            coming.set_exception(error)
            with self._lock:
                del self._coming[key]
            return
        with self._lock:
            del self._coming[key]
            if _size(drawn) <= self._tiles.maxsize:
                self._tiles[key] = drawn
        coming.set_result(drawn)


def _size(drawn: Drawn) -> int:
    return ENTRY_BYTES + len(drawn or b"")
