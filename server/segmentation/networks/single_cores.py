"""Runs independent pieces of work on one processor core each.

The steps of a small network take less than a millisecond; cores that share every step spend a fifth of the time waiting
for each other. Cores that each have a piece of their own do not, and the numbers are the same on any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def count_cores() -> int:
    """Return how many cores this thread may use, as torch was told."""
    return torch.get_num_threads()


def work_on_cores(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
    """Return the results of all pieces in their order; the first error is raised when every piece has ended.

    Contexts of torch, such as `inference_mode`, belong to a thread: `work` has to enter its own.
    """
    n_cores = count_cores()
    if n_cores == 1:
        return [work(piece) for piece in pieces]
    running = [_start_workers(n_cores).submit(work, piece) for piece in pieces]
    wait(running)
    return [item.result() for item in running]


@cache
def _start_workers(n_cores: int) -> ThreadPoolExecutor:
    """Return threads that use one core each; they stay, because starting one takes torch longer than most work."""
    workers = ThreadPoolExecutor(n_cores, "core", initializer=_take_one_core)
    all_there = Barrier(n_cores)
    wait([workers.submit(all_there.wait) for _ in range(n_cores)])
    # What a thread sets also counts for threads that begin later; those are to have all cores again.
    torch.set_num_threads(n_cores)
    return workers


def _take_one_core() -> None:
    torch.get_num_threads()  # the first question a thread asks gives it all cores, whatever was set before
    torch.set_num_threads(1)
