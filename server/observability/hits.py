"""Counts how often caches had the answer."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class Hits:
    """How often a cache was asked and how often it had the answer, since the service started."""

    hits: int
    lookups: int

    @property
    def rate(self) -> float | None:
        """Share of lookups that hit, 0 to 1; None before the first lookup."""
        return self.hits / self.lookups if self.lookups else None


class HitCounter:
    """Counts lookups of one cache; safe to share by threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found = Hits(0, 0)

    def note(self, is_hit: bool) -> None:
        """Count a lookup."""
        with self._lock:
            self._found = Hits(self._found.hits + is_hit, self._found.lookups + 1)

    def read(self) -> Hits:
        """Return the counts so far."""
        return self._found
