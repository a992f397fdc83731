"""Remembers what was read of rasters: every tile and every click asks for the size and the place of the same one."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from threading import get_ident
from typing import TypeVar, TypeVarTuple

from server.rasters.side_files import read_state

Fact = TypeVar("Fact")
Choices = TypeVarTuple("Choices")
# Rasters that people look at or click on at the same time; where every thread reads for itself, for each of them.
N_REMEMBERED = 512


def remembered(read: Callable[[Path, *Choices], Fact]) -> Callable[[Path, *Choices], Fact]:
    """Call a function of a raster's path again only where the file or its side files have changed.

    All threads share what it returns, so it must be plain values. Further arguments have to be hashable.
    """
    return _remember(read, lambda: 0)


def remembered_by_thread(read: Callable[[Path, *Choices], Fact]) -> Callable[[Path, *Choices], Fact]:
    """Do what `remembered` does for facts with handles that only one thread may use: every thread reads for itself."""
    return _remember(read, get_ident)


def _remember(read: Callable[[Path, *Choices], Fact], owner: Callable[[], int]) -> Callable[[Path, *Choices], Fact]:
    @lru_cache(maxsize=N_REMEMBERED)
    def read_once(path: Path, state: str, owner: int, choices: tuple[*Choices]) -> Fact:  # noqa: ARG001 - tell apart
        return read(path, *choices)

    @wraps(read)
    def read_or_remember(path: Path, /, *choices: *Choices) -> Fact:
        try:
            state = str(read_state(path))
        except OSError:
            return read(path, *choices)  # says itself what is wrong
        return read_once(path, state, owner(), choices)

    return read_or_remember
