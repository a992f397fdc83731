"""Lets several networks work on images at the same time, while one thread hands out the work and tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from queue import SimpleQueue

from server.segmentation.batch_prompts.prompts import BatchNetwork

Work = Callable[[BatchNetwork], None]


def run_side_by_side(works: Iterable[Work], networks: Sequence[BatchNetwork], tell: Callable[[int], None]) -> None:
    """Do every piece of work with one of the networks.

    Threads are enough: networks, decoders of images and writers of files leave Python's lock alone. With one network
    everything happens in the calling thread.

    Args:
        works: taken one by one, in the calling thread, as soon as a network is free.
        networks: each does one piece of work at a time.
        tell: told the number of finished pieces, in the calling thread; may raise to stop, and what was begun is then
            finished first.
    """
    n_finished = 0
    tell(n_finished)
    if len(networks) == 1:
        for n_finished, work in enumerate(works, start=1):
            work(networks[0])
            tell(n_finished)
        return
    free: SimpleQueue[BatchNetwork] = SimpleQueue()
    for network in networks:
        free.put(network)
    with ThreadPoolExecutor(len(networks), thread_name_prefix="dataset") as pool:
        running: set[Future[None]] = set()
        for work in works:
            running.add(pool.submit(_do, work, free))
            if len(running) == len(networks):
                running, n_finished = _collect(running, n_finished, tell)
        while running:
            running, n_finished = _collect(running, n_finished, tell)


def _do(work: Work, free: SimpleQueue[BatchNetwork]) -> None:
    network = free.get()
    try:
        work(network)
    finally:
        free.put(network)


def _collect(running: set[Future[None]], n_finished: int, tell: Callable[[int], None]) -> tuple[set[Future[None]], int]:
    """Wait for the next piece, raise what it raised, and tell; return what still runs and the number of finished."""
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
        n_finished += 1
        tell(n_finished)
    return rest, n_finished
