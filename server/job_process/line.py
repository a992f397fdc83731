"""One end of a pipe between two processes: what is told arrives in order, and who asks waits for the answer."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Lock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Letter:
    """A message; questions are numbered."""

    message: object
    question: int | None = None


@dataclass(frozen=True)
class _Answer:
    """That the other end has done what it was asked, or failed to."""

    question: int
    is_done: bool


class Line:
    """Speaks to the process at the other end; safe to share by threads, of which one listens."""

    def __init__(self, connection: Connection, handle: Callable[[object], None]) -> None:
        """Prepare.

        Args:
            connection: this end of the pipe, of nobody else from now on.
            handle: called by the listening thread with every message, one after the other; it must not ask.
        """
        self._connection = connection
        self._handle = handle
        self._sending = Lock()
        self._numbers = itertools.count()
        # What was asked and is not answered yet; None once the other end is gone.
        self._asked: dict[int, Future[bool]] | None = {}
        self._asking = Lock()

    def tell(self, message: object) -> None:
        """Send a message; it is lost where the other end is gone."""
        with suppress(OSError):
            self._send(_Letter(message))

    def ask(self, message: object, timeout_s: float) -> bool:
        """Send a message and wait until it was handled; return whether it was, and without an error.

        False also means that the other end is gone or that no answer came within `timeout_s` seconds.
        """
        number, answer = next(self._numbers), Future[bool]()
        with self._asking:
            if self._asked is None:
                return False
            self._asked[number] = answer
        try:
            self._send(_Letter(message, number))
            return answer.result(timeout_s)
        except (OSError, TimeoutError):
            return False
        finally:
            with self._asking:
                if self._asked is not None:
                    self._asked.pop(number, None)

    def listen(self) -> None:
        """Handle what comes until the other end is gone."""
        # Both mean that nobody holds the other end any more; which one comes depends on the system.
        with suppress(EOFError, OSError):
            while True:
                self._take(self._connection.recv())
        with self._asking:
            asked, self._asked = self._asked or {}, None
        for answer in asked.values():
            answer.set_result(False)
        self._connection.close()

    def _take(self, came: _Letter | _Answer) -> None:
        if isinstance(came, _Answer):
            with self._asking:
                answer = (self._asked or {}).pop(came.question, None)
            if answer is not None:
                answer.set_result(came.is_done)
            return
        is_done = True
        try:
            self._handle(came.message)
        except Exception:
            log.exception("A message of the other process could not be dealt with: %s", came.message)
            is_done = False
        if came.question is not None:
            self._send(_Answer(came.question, is_done))

    def _send(self, content: _Letter | _Answer) -> None:
        with self._sending:
            self._connection.send(content)
