"""The way from SIGTERM to the end of the process: jobs go back, running requests finish, nobody waits for ever."""

from __future__ import annotations

import _thread
import logging
import signal
import time
from collections.abc import Callable
from threading import Thread
from types import FrameType

from server.observability.draining import Drain

LOOK_INTERVAL_S = 0.1
log = logging.getLogger(__name__)


class Stopping:
    """Drains the service at the first signal and ends it at the second."""

    def __init__(
        self, drain: Drain, *, put_jobs_back: Callable[[], None], is_busy: Callable[[], bool], drain_s: float
    ) -> None:
        """Prepare.

        Args:
            drain: told first.
            put_jobs_back: interrupts running jobs; whoever waits for one is answered.
            is_busy: tells whether requests are still being answered.
            drain_s: how long to wait for them at most.
        """
        self._drain = drain
        self._put_jobs_back = put_jobs_back
        self._is_busy = is_busy
        self._drain_s = drain_s

    def on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        """Begin to stop; to be called by the main thread, as signal handlers are."""
        if self._drain.is_on:
            raise KeyboardInterrupt
        self._drain.begin()
        Thread(target=self._finish, name="drain", daemon=True).start()

    def _finish(self) -> None:
        deadline = time.monotonic() + self._drain_s
        log.info("Draining: new work is refused, running requests have %.0f s to finish", self._drain_s)
        self._put_jobs_back()
        while self._is_busy():
            if time.monotonic() >= deadline:
                log.warning("Requests are still running after %.0f s and end with the process", self._drain_s)
                break
            time.sleep(LOOK_INTERVAL_S)
        # As a second SIGTERM would; SIGINT is ignored in processes that a shell has put into the background.
        _thread.interrupt_main(signal.SIGTERM)
