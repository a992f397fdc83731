"""The process that works on jobs: a local queue that is told from outside what it cannot see."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from threading import Event, Thread

from sqlalchemy import Engine

from server.job_process.line import Line
from server.job_process.messages import AttemptTook, AtWork, CancelJobs, ClientChanged, JobWaits, StopWork
from server.jobs.execution import Task
from server.jobs.queue import LocalQueue

FORGET_S = 20.0
STOP_TIMEOUT_S = 8.0
log = logging.getLogger(__name__)


def end_at_once() -> None:
    """End this process without putting anything in order, as a power cut would."""
    os._exit(1)


class JobProcess:
    """The working side of `ProcessQueue`."""

    def __init__(self, connection: Connection, when_alone: Callable[[], None] = end_at_once) -> None:
        """Prepare to speak to the process that serves.

        Args:
            connection: this side's end of the pipe.
            when_alone: called when that process is gone. Its successor takes up all jobs, so by then nobody here may
                be working on them any more.
        """
        self._line = Line(connection, self._handle)
        self._when_alone = when_alone
        self._told_to_stop = Event()
        self._queue: LocalQueue | None = None

    def note_change(self, client: str) -> None:
        """Wait until the process that serves keeps nothing older about a client whose rows have changed."""
        if not self._line.ask(ClientChanged(client), FORGET_S):
            log.warning("Whether the serving process knows of changes is not known")

    def note_attempt(self, kind: str, outcome: str, seconds: float) -> None:
        """Have an attempt at a job counted."""
        self._line.tell(AttemptTook(kind, outcome, seconds))

    def stop(self) -> None:
        """Let `work` put its jobs back and return."""
        self._told_to_stop.set()

    def work(self, engine: Engine, tasks: Mapping[str, Task], n_workers: int) -> None:
        """Work on jobs until told to stop.

        Args:
            engine: the database.
            tasks: kind of job -> what does it.
            n_workers: jobs that run at the same time.
        """
        self._queue = queue = LocalQueue(
            engine, tasks, n_workers=n_workers, tell=lambda job, is_at_work: self._line.tell(AtWork(job, is_at_work))
        )
        Thread(target=self._listen, name="serving-process", daemon=True).start()
        queue.start()
        self._told_to_stop.wait()
        queue.stop(STOP_TIMEOUT_S)

    def _listen(self) -> None:
        self._line.listen()
        if not self._told_to_stop.is_set():
            self._when_alone()

    def _handle(self, message: object) -> None:
        match message:
            case JobWaits() if self._queue is not None:
                self._queue.announce()
            case CancelJobs(jobs) if self._queue is not None:
                self._queue.cancel_jobs(jobs)
            case StopWork():
                self._told_to_stop.set()
