"""What goes on beside the work of a worker process: signs of life, and looks into the database while it is idle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from server.cluster.worker import Worker
from server.jobs.workers import WorkerTable

# A cancelled job notices within this time; the lease is renewed far more often than it runs out.
WATCH_INTERVAL_S, RENEWALS_PER_LEASE = 0.5, 6
# Messages come at once; this is for those that were lost.
LOOK_INTERVAL_S = 1.0
STOP_TIMEOUT_S = 5.0
log = logging.getLogger(__name__)


class Presence:
    """Keeps a worker known and busy inside a `with` block."""

    def __init__(self, engine: Engine, worker: Worker, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = WorkerTable(engine)
        self._worker = worker
        self._clock = clock
        self._renewed = clock()
        self._ended = Event()
        self._threads: list[Thread] = []

    def __enter__(self) -> Presence:
        """Make the worker known and start both threads."""
        self._renew()
        rounds = {"worker-watch": (self.watch, WATCH_INTERVAL_S), "worker-look": (self._look_around, LOOK_INTERVAL_S)}
        self._threads = [
            Thread(target=self._repeat, args=(do, interval_s), name=name, daemon=True)
            for name, (do, interval_s) in rounds.items()
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop both threads, after what they are at was put back, and say that the worker is gone."""
        self._worker.stop()
        self._ended.set()
        for thread in self._threads:
            thread.join(STOP_TIMEOUT_S)
            if thread.is_alive():
                log.warning("What this worker is at did not stop; another worker takes it over")
        try:
            self._workers.leave(self._worker.name.worker)
        except SQLAlchemyError:
            log.exception("The database does not know yet that this worker is gone")

    def watch(self) -> None:
        """Renew the lease where that is due, and pass on what the database says about the running job."""
        name = self._worker.name
        try:
            if self._clock() - self._renewed > name.lease_s / RENEWALS_PER_LEASE:
                self._renew()
        finally:
            self._worker.watch(self._clock() - self._renewed)

    def _renew(self) -> None:
        name, asked = self._worker.name, self._clock()
        self._workers.renew(
            name.worker, host=name.host, device=name.device(), lease_s=name.lease_s, doing=self._worker.doing
        )
        self._renewed = asked

    def _look_around(self) -> None:
        self._worker.look_around()

    def _repeat(self, do: Callable[[], None], interval_s: float) -> None:
        while not self._ended.wait(interval_s):
            try:
                do()
            except SQLAlchemyError as error:
                log.warning("The database failed a worker: %s", error)
            except Exception:  # the thread has to be there when whatever it was is over
                log.exception("A round of a worker failed")
