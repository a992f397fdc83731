"""A worker process: one job or some windows at a time, taken from the database whenever it is told to look or idle."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from server.cluster.helping import Helper
from server.jobs.execution import Attempt, Task, count_finished
from server.jobs.observed import Timer, observe
from server.jobs.table import JobTable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerName:
    """How a worker process is known.

    Attributes:
        worker: of this process only.
        host: name of its machine.
        device: tells what its networks run on.
        lease_s: seconds after its last sign of life until others take over what it was at.
    """

    worker: str
    host: str
    device: Callable[[], str]
    lease_s: float


class Worker:
    """Works on jobs and windows; its methods may be called by any thread, and do one thing at a time."""

    def __init__(self, engine: Engine, tasks: Mapping[str, Task], name: WorkerName, timer: Timer) -> None:
        """Prepare.

        Args:
            engine: the database.
            tasks: kind of job -> what does it.
            name: of this worker; `server.cluster.presence` keeps it known.
            timer: counts the time of attempts.
        """
        self.name = name
        self._tasks = tasks
        self._timer = timer
        self._table = JobTable(engine, name.worker)
        self._helper = Helper(engine, tasks, name.worker, self._is_needed)
        self._busy = Lock()
        self._stopping = Event()
        self._attempt: Attempt | None = None
        # Jobs whose end could not be written down.
        self._unsettled: deque[str] = deque()
        self._settling = Lock()

    @property
    def doing(self) -> str:
        """The id of the job it works on or helps with, empty for none."""
        attempt = self._attempt
        return self._helper.doing if attempt is None else attempt.record.job

    def work(self) -> None:
        """Do the next job, if one waits; wait for the end of what this worker is doing first."""
        with self._busy:
            self._work_on_next()

    def help(self, job: str, first: int, end: int) -> None:
        """Look at windows `first` to `end`, exclusive, of a job that is running elsewhere, unless a job waits."""
        with self._busy:
            if not self._work_on_next():
                self._helper.help(range(first, end), job)

    def look_around(self) -> None:
        """Do whatever there is to do, told or not; nothing where this worker is busy."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            self._recover()
            if not self._work_on_next():
                self._helper.help()
        finally:
            self._busy.release()

    def stop(self) -> None:
        """Put back what it is at and take nothing new."""
        self._stopping.set()
        self._helper.stop()
        attempt = self._attempt
        if attempt is not None:
            attempt.interrupt()

    def watch(self, unseen_s: float) -> None:
        """Pass on to the running job what the database says about it; to be called every second or so.

        Args:
            unseen_s: seconds since this worker could last renew its lease.

        Raises:
            SQLAlchemyError: the database cannot be asked.
        """
        attempt = self._attempt
        if attempt is not None and unseen_s > self.name.lease_s:
            attempt.abandon()
        self._settle()
        if attempt is None:
            return
        if not self._table.is_mine(attempt.record.job):
            attempt.abandon()
        elif self._table.is_told_to_stop(attempt.record.job):
            attempt.cancel()

    def _recover(self) -> None:
        n_waiting = self._table.recover(
            lambda record: count_finished(self._tasks.get(record.kind), record), only_unclaimed=True
        )
        if n_waiting:
            log.warning("%d jobs whose worker is gone wait again", n_waiting)

    def _work_on_next(self) -> bool:
        """Run the next job to its end; return whether there was one."""
        if self._stopping.is_set() or not self._has_waiting():
            return False
        record = self._table.begin_next(self._tasks.keys())
        if record is None:
            return False
        self._attempt = attempt = Attempt(record, self._table, passes=is_database_away)
        if self._stopping.is_set():  # told so just now, before it could have been passed on
            attempt.interrupt()
        try:
            attempt.run(observe(self._tasks[record.kind], self._timer))
        finally:
            self._attempt = None
            self._unsettled.append(record.job)
            with suppress(SQLAlchemyError):
                self._settle()
        return True

    def _settle(self) -> None:
        """Let jobs go that this worker is no more at, but which the database says are running here."""
        # One thread at a time: what is let go may be taken again at once.
        with self._settling:
            while self._unsettled:
                self._table.let_go(self._unsettled[0])
                self._unsettled.popleft()

    def _is_needed(self) -> bool:
        """Tell whether to stop helping, because a job waits that this worker can have."""
        return self._stopping.is_set() or self._has_waiting()

    def _has_waiting(self) -> bool:
        return self._table.counts()[1] > 0


def is_database_away(error: BaseException | None) -> bool:
    """Tell whether an error, or what it was raised from, is about the database and not about the job."""
    while error is not None:
        if isinstance(error, OperationalError | InterfaceError):
            return True
        error = error.__cause__
    return False
