"""The queue of this process: worker threads that take jobs from the database, fairly between clients."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from threading import Thread

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from server.jobs.execution import Attempt, Task, count_finished, discard_finished
from server.jobs.informed_queue import InformedQueue
from server.jobs.limits import DEFAULT_LIMITS, QueueLimits
from server.jobs.priority import let_others_go_first
from server.jobs.records import JobRecord

PAUSE_AFTER_FAILURE_S = 1.0
log = logging.getLogger(__name__)


class LocalQueue(InformedQueue):
    """Runs jobs in threads of this process; what waits survives a restart."""

    def __init__(
        self,
        engine: Engine,
        tasks: Mapping[str, Task],
        *,
        n_workers: int = 1,
        limits: QueueLimits = DEFAULT_LIMITS,
        tell: Callable[[str, bool], None] = lambda _job, _is_at_work: None,
    ) -> None:
        """Keep what the queue needs; `start` begins the work.

        Args:
            engine: the database.
            tasks: kind of job -> what does it: (record, report) -> result; `report(progress 0 to 1, step)` must be
                called often, because it raises `Cancelled` when the job has to stop.
            n_workers: jobs that run at the same time.
            limits: how many jobs there may be.
            tell: called with a job's id and whether a worker is at it, each time that changes.
        """
        super().__init__(engine, limits)
        self._tasks = tasks
        self._n_workers = n_workers
        self._tell = tell
        self._attempts: dict[str, Attempt] = {}
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Start the workers; what an earlier process left unfinished goes on."""
        self._table.recover(lambda record: count_finished(self._tasks.get(record.kind), record))
        self._stopping = False
        self._threads = [Thread(target=self._work, name=f"job-worker-{i}", daemon=True) for i in range(self._n_workers)]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop the workers; running jobs are interrupted at their next report and wait for the next start.

        Args:
            timeout_s: what does not stop in this time is left to end with the process, and recovered by `start`.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._stopping = True
            for attempt in self._attempts.values():
                attempt.interrupt()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.warning("A job did not stop within %.0f s; it goes on at the next start", timeout_s)

    def announce(self) -> None:
        """Look for jobs that wait; for whoever has put one into the table beside this queue."""
        with self._changed:
            self._changed.notify_all()

    def cancel_jobs(self, jobs: Iterable[str]) -> None:
        """Cancel jobs by their ids, whoever they belong to; see `JobQueue.cancel`."""
        self._cancel(record for record in map(self._table.get, jobs) if record is not None)

    def _announce(self) -> None:
        self.announce()

    def _jobs_at_work(self) -> Collection[str]:
        return self._attempts.keys()

    def _cancel(self, records: Iterable[JobRecord]) -> None:
        # Under the lock no worker takes up a job that is being cancelled.
        with self._changed:
            for record in records:
                if record.job in self._attempts:
                    self._attempts[record.job].cancel()
                else:
                    discard_finished(self._tasks.get(record.kind), record)
                    self._table.cancel_idle(record.job)
            self._changed.notify_all()

    def _work(self) -> None:
        let_others_go_first()
        while not self._stopping:
            try:
                attempt = self._take()
                if attempt is not None:
                    self._run(attempt)
            except SQLAlchemyError:
                # A full disk passes, and the worker has to be there when it has.
                log.exception("The database failed a worker")
                with self._changed:
                    self._changed.wait(PAUSE_AFTER_FAILURE_S)

    def _take(self) -> Attempt | None:
        """Wait for a job and begin it; None when the queue stops."""
        with self._changed:
            while not self._stopping:
                record = self._table.begin_next(self._tasks.keys())
                if record is not None:
                    self._attempts[record.job] = attempt = Attempt(record, self._table)
                    self._tell(record.job, True)
                    return attempt
                self._changed.wait()
        return None

    def _run(self, attempt: Attempt) -> None:
        try:
            attempt.run(self._tasks[attempt.record.kind])
        finally:
            with self._changed:
                del self._attempts[attempt.record.job]
                self._tell(attempt.record.job, False)
                self._changed.notify_all()
