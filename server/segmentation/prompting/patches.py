"""Keeps the patches that were looked at last, because reading one again takes longer than most of an answer."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from server.observability.hits import HitCounter
from server.rasters.side_files import read_state
from server.rasters.windows import Patch, PatchReader, PixelWindow
from server.segmentation.prompting.looks import Look

# A raster in its present state, the bands, and what was looked at.
PatchKey = tuple[Path, str, tuple[int, ...], Look]


class PatchCache:
    """Patches in memory, the least recently used first out, bounded in bytes; safe to share by threads.

    Attributes:
        hits: how often `find` had the answer.
    """

    def __init__(self, max_bytes: int) -> None:
        self._patches = LRUCache[PatchKey, Patch](max_bytes, _size_of)
        self._lock = Lock()
        self.hits = HitCounter()

    def find(self, key: PatchKey) -> Patch | None:
        """Return the patch of `key`, not to be written to, and mark it as used; None where it is not kept."""
        with self._lock:
            self.hits.note(key in self._patches)
            return self._patches.get(key)

    def keep(self, key: PatchKey, patch: Patch) -> None:
        """Keep a patch, unless it alone is over the limit."""
        if _size_of(patch) <= self._patches.maxsize:
            with self._lock:
                self._patches[key] = patch


class LookReader:
    """Reads what is looked at on one raster; a context manager for one thread that opens the raster when it must."""

    def __init__(self, source: Path, band_indexes: tuple[int, ...], cache: PatchCache) -> None:
        """Prepare.

        Args:
            source: the raster.
            band_indexes: three indexes, counted from 1, seen as red, green and blue.
            cache: of all requests.
        """
        self._source = source
        self._band_indexes = band_indexes
        self._cache = cache
        self._state = str(read_state(source))
        self._closing = ExitStack()
        self._reader: PatchReader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, traceback)

    def read_look(self, look: Look) -> Patch:
        """Return the patch of a look; it may be shared with others and must not be written to."""
        key = (self._source, self._state, self._band_indexes, look)
        patch = self._cache.find(key)
        if patch is None:
            patch = self._open().read_patch(look.window, look.shape)
            self._cache.keep(key, patch)
        return patch

    def read_valid(self, window: PixelWindow) -> NDArray[np.bool_]:
        """Return bool (window.height, window.width), True where any of the bands holds data."""
        return self._open().read_patch(window).valid

    def _open(self) -> PatchReader:
        if self._reader is None:
            self._reader = self._closing.enter_context(PatchReader(self._source, self._band_indexes))
        return self._reader


def _size_of(patch: Patch) -> int:
    return patch.rgb.nbytes + patch.valid.nbytes
