"""Estimates how long a job still takes, from its latest pace: what an earlier attempt finished goes by in no time."""

from __future__ import annotations

# Before that, the time spent says little about the time to come.
MIN_PROGRESS = 0.02


class Pace:
    """Follows one attempt; the pace is that since a moment between a quarter and a half of the time ago."""

    def __init__(self, began_s: float) -> None:
        """Begin at `began_s`, on the clock that all later times are of."""
        self._began_s = began_s
        self._since = self._next = (began_s, 0.0)

    def estimate_remaining_s(self, now_s: float, progress: float) -> float | None:
        """Note the progress, 0 to 1, and return the seconds left at the latest pace, None while that says nothing."""
        if now_s - self._began_s >= 2 * (self._next[0] - self._began_s):
            self._since, self._next = self._next, (now_s, progress)
        since_s, earlier = self._since
        if progress < MIN_PROGRESS or progress <= earlier:
            return None
        return round((now_s - since_s) * (1.0 - progress) / (progress - earlier), 1)
