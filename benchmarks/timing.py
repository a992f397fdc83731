"""Medians of repeated runs, taken in turns so that a noisy machine disturbs all sides alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median_seconds(sides: dict[str, Callable[[], object]], n_rounds: int) -> dict[str, float]:
    """Run every side once per round, after one round that does not count; return the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(n_rounds + 1):
        for name, run in sides.items():
            started = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}
