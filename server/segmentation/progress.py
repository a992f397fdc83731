"""Tells a job's progress: never backwards, and often enough that a cancelled job notices in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Report = Callable[[float, str], None]
# Layers of a network follow each other in milliseconds; asking whether the job was cancelled may cost a database query.
CHECK_INTERVAL_S = 0.3


class Progress:
    """Wraps `report(fraction, step)`, which may raise `Cancelled`."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._fraction = 0.0
        self._step = ""
        self._reported = float("-inf")

    def tell(self, fraction: float, step: str) -> None:
        """Report the finished share, 0..1, and in plain words what happens now."""
        self._fraction = min(1.0, max(self._fraction, fraction))
        self._step = step
        self._send()

    def check(self) -> None:
        """Repeat the last report where the last one is old; cheap enough to call from anywhere."""
        if time.monotonic() - self._reported >= CHECK_INTERVAL_S:
            self._send()

    def stage(self, start: float, end: float, step: str) -> Callable[[float], None]:
        """Return a function that takes the finished share of one stage, which spans `start`..`end` of the whole."""

        def tell_share(share: float) -> None:
            self._fraction = min(1.0, max(self._fraction, start + share * (end - start)))
            self._step = step
            self.check()

        return tell_share

    def _send(self) -> None:
        self._reported = time.monotonic()
        self._report(self._fraction, self._step)


@dataclass(frozen=True)
class Span:
    """A part of the way from nothing to all work done.

    Attributes:
        progress: of all work.
        start: share of all work that is done at the beginning of this part, 0..1.
        end: the same at its end.
    """

    progress: Progress
    start: float = 0.0
    end: float = 1.0

    def part(self, start: float, end: float) -> Span:
        """Return a part of this part, from share `start` to share `end` of it."""
        length = self.end - self.start
        return Span(self.progress, self.start + start * length, self.start + end * length)

    def tell(self, step: str) -> None:
        """Report that this part begins."""
        self.progress.tell(self.start, step)

    def stage(self, step: str) -> Callable[[float], None]:
        """Return a function that takes the finished share of this part; see `Progress.stage`."""
        return self.progress.stage(self.start, self.end, step)
