"""The queue of the process that serves: jobs go into the database, and a process beside it works on them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Event, Thread
from typing import Protocol

from sqlalchemy import Engine

from server.errors import Unavailable
from server.job_process.line import Line
from server.job_process.messages import AttemptTook, AtWork, CancelJobs, ClientChanged, JobWaits, StopWork
from server.jobs.execution import Task, discard_finished
from server.jobs.informed_queue import InformedQueue
from server.jobs.limits import DEFAULT_LIMITS, QueueLimits
from server.jobs.records import JobRecord

# A process that ends soon after its start will do so again: the pauses before the next one grow.
FIRST_PAUSE_S, PAUSE_FACTOR, LONGEST_PAUSE_S = 0.5, 2.0, 60.0
ANSWER_S = 20.0
log = logging.getLogger(__name__)


class Process(Protocol):
    """What is needed of `multiprocessing.Process`."""

    @property
    def exitcode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        ...

    @property
    def pid(self) -> int | None:
        """Its number."""
        ...

    def join(self, timeout: float | None = None) -> None:
        """Wait until it ends."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What the queue's process is made with and whom it informs.

    Attributes:
        start_process: starts one; gives it and this side's end of the pipe to it.
        forget: called with the id of a client whose rows the process has changed.
        note: called with kind, outcome and seconds of an attempt at a job.
    """

    start_process: Callable[[], tuple[Process, Connection]]
    forget: Callable[[str], None] = lambda _client: None
    note: Callable[[str, str, float], None] = lambda _kind, _outcome, _seconds: None


class ProcessQueue(InformedQueue):
    """Has jobs done by one other process, which is started again whenever it ends; its jobs then go on."""

    def __init__(
        self,
        engine: Engine,
        tasks: Mapping[str, Task],
        surroundings: Surroundings,
        limits: QueueLimits = DEFAULT_LIMITS,
    ) -> None:
        """Keep what the queue needs; `start` starts the process.

        Args:
            engine: the database, which the process uses, too.
            tasks: kind of job -> what does it; here only asked to remove what a cancelled job has kept.
            surroundings: see there.
            limits: how many jobs there may be.
        """
        super().__init__(engine, limits)
        self._tasks = tasks
        self._surroundings = surroundings
        self._told_to_stop = Event()
        self._line: Line | None = None
        self._process: Process | None = None
        self._at_work: set[str] = set()
        self._keeper: Thread | None = None

    @property
    def process_id(self) -> int | None:
        """The number of the process; None while it is not there."""
        process = self._process
        return None if process is None else process.pid

    def start(self) -> None:
        """Start the process; what an earlier one left unfinished goes on there."""
        self._stopping = False
        self._told_to_stop.clear()
        self._keeper = Thread(target=self._keep_running, name="job-process", daemon=True)
        self._keeper.start()

    def stop(self, timeout_s: float) -> None:
        """Stop the process; running jobs are interrupted at their next report and wait for the next start.

        Args:
            timeout_s: a process that takes longer is killed; its jobs are recovered at the next start.
        """
        with self._changed:
            self._stopping = True
            self._told_to_stop.set()
            line = self._line
            self._changed.notify_all()
        if line is not None:
            line.tell(StopWork())
        if self._keeper is None:
            return
        self._keeper.join(timeout_s)
        process = self._process
        if process is not None:
            log.warning("A job did not stop within %.0f s; it goes on at the next start", timeout_s)
            process.kill()
            self._keeper.join()
        self._keeper = None

    def _announce(self) -> None:
        if self._line is not None:
            self._line.tell(JobWaits())

    def _jobs_at_work(self) -> Collection[str]:
        return self._at_work

    def _cancel(self, records: Iterable[JobRecord]) -> None:
        records = [record for record in records if record.is_active]
        line = self._line
        if not records:
            return
        if line is not None:
            if line.ask(CancelJobs(tuple(record.job for record in records)), ANSWER_S):
                self._tell_all()
                return
            if self._line is line:
                raise Unavailable("The process that works on jobs does not answer; please try again.", ANSWER_S)
        # There is none to do it: it has just ended, or is not there yet, and will find them cancelled.
        for record in records:
            discard_finished(self._tasks.get(record.kind), record)
            self._table.cancel_idle(record.job)
        self._tell_all()

    def _tell_all(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _keep_running(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._told_to_stop.is_set():
            started = time.monotonic()
            try:
                self._run_once()
            except OSError:
                log.exception("The process that works on jobs could not be started")
            if time.monotonic() - started > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            self._told_to_stop.wait(pause_s)
            pause_s = min(pause_s * PAUSE_FACTOR, LONGEST_PAUSE_S)

    def _run_once(self) -> None:
        """Start the process and listen to it until it ends."""
        process, connection = self._surroundings.start_process()
        line = Line(connection, self._handle)
        with self._changed:
            self._line, self._process = line, process
            is_late = self._stopping
        if is_late:  # told before there was anybody to pass it on to
            line.tell(StopWork())
        line.listen()
        process.join()
        with self._changed:
            self._line = self._process = None
            self._at_work.clear()
            self._changed.notify_all()
        if not self._stopping:
            log.error(
                "The process that works on jobs ended with status %s and is started again; its jobs go on there",
                process.exitcode,
            )

    def _handle(self, message: object) -> None:
        match message:
            case AtWork(job, is_at_work):
                with self._changed:
                    (self._at_work.add if is_at_work else self._at_work.discard)(job)
                    self._changed.notify_all()
            case ClientChanged(client):
                self._surroundings.forget(client)
            case AttemptTook(kind, outcome, seconds):
                self._surroundings.note(kind, outcome, seconds)
