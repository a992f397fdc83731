"""Remembers what was read of rasters: every click asks for the size and the place of the same one."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from threading import get_ident
from typing import TypeVar

from server.rasters.side_files import read_state

Fact = TypeVar("Fact")
# Rasters that people click on at the same time, for each thread that answers them.
N_REMEMBERED = 512


def remembered(read: Callable[[Path], Fact]) -> Callable[[Path], Fact]:
    """Call a function of a raster's path again only where the file or its side files have changed.

    What it returns may hold handles that only one thread may use, so every thread reads for itself.
    """

    @lru_cache(maxsize=N_REMEMBERED)
    def read_once(path: Path, state: str, thread: int) -> Fact:  # noqa: ARG001 - they tell apart what was read
        return read(path)

    @wraps(read)
    def read_or_remember(path: Path) -> Fact:
        try:
            state = str(read_state(path))
        except OSError:
            return read(path)  # says itself what is wrong
        return read_once(path, state, get_ident())

    return read_or_remember
