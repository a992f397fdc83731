"""The orderly end of a process: what is new is sent away, what runs may finish."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Event

# Where a request's arrival stands in the WSGI environment: `time.monotonic()` of its first byte.
ARRIVAL = "service.arrived_s"


class Drain:
    """Tells requests whether the service is on its way out; safe to share by threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s: float | None = None
        self._begun = Event()

    def begin(self) -> None:
        """Take in no more from now on; calling it again changes nothing."""
        if self._began_s is None:
            self._began_s = self._clock()
            self._begun.set()

    @property
    def began_s(self) -> float:
        """When the drain began, of the clock; infinity before that."""
        return math.inf if self._began_s is None else self._began_s

    @property
    def is_on(self) -> bool:
        """Whether the service is on its way out."""
        return self._begun.is_set()

    def is_too_late(self, arrived_s: float | None) -> bool:
        """Tell whether a request came after the drain began.

        Args:
            arrived_s: `clock()` of its first byte; None where the server does not tell, which means now.
        """
        return self.is_on and (arrived_s is None or arrived_s > self.began_s)
