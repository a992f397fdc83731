"""Decides who uses the network next: people who wait for a click before jobs, first come first served among equals."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

# How often a thread that waits for its turn looks whether its own work was cancelled, in seconds.
WAIT_STEP_S = 0.25
# So many clicks in a row may pass a waiting job; then it gets one short turn, so that a crowd never stops it for good.
MAX_OVERTAKING = 16


def _never_stop() -> None:
    """Stand in for a check that has nothing to look at."""


class Turns:
    """A lock with two queues; safe to share by threads, not to be taken twice by one."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._clicks: deque[object] = deque()
        self._jobs: deque[object] = deque()
        self._is_taken = False
        self._n_overtaking = 0

    @contextmanager
    def take(self, *, is_click: bool = False, check: Callable[[], None] = _never_stop) -> Iterator[None]:
        """Wait for a turn; it lasts as long as the context.

        Args:
            is_click: a person waits for the answer, so jobs stand back.
            check: called now and then while waiting, in the waiting thread; what it raises ends the wait.
        """
        queue, ticket = self._clicks if is_click else self._jobs, object()
        with self._changed:
            queue.append(ticket)
        try:
            while not self._start(ticket, queue):
                check()
        except BaseException:
            with self._changed:
                queue.remove(ticket)
                self._changed.notify_all()
            raise
        try:
            yield
        finally:
            with self._changed:
                self._is_taken = False
                self._changed.notify_all()

    def _start(self, ticket: object, queue: deque[object]) -> bool:
        """Begin the turn of `ticket` if it comes within `WAIT_STEP_S`; tell whether it did."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._is_taken and self._next() is ticket, WAIT_STEP_S):
                return False
            self._is_taken = True
            queue.popleft()
            overtakes = queue is self._clicks and len(self._jobs) > 0
            self._n_overtaking = self._n_overtaking + 1 if overtakes else 0
            return True

    def _next(self) -> object:
        """Return the ticket whose turn it is; the asking one waits, so there is one."""
        job_is_due = self._jobs and self._n_overtaking >= MAX_OVERTAKING
        return self._clicks[0] if self._clicks and not job_is_due else self._jobs[0]
