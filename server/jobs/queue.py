"""The queue of this process: worker threads that take jobs from the database, fairly between clients."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from threading import Condition, Thread

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from server.jobs.execution import Attempt, Task, count_finished, discard_finished
from server.jobs.job_queue import CANCEL_WAIT_S, JobQueue
from server.jobs.limits import DEFAULT_LIMITS, QueueLimits
from server.jobs.priority import let_others_go_first
from server.jobs.records import JobRecord

PAUSE_AFTER_FAILURE_S = 1.0
log = logging.getLogger(__name__)


class LocalQueue(JobQueue):
    """Runs jobs in threads of this process; what waits survives a restart."""

    def __init__(
        self, engine: Engine, tasks: Mapping[str, Task], *, n_workers: int = 1, limits: QueueLimits = DEFAULT_LIMITS
    ) -> None:
        """Keep what the queue needs; `start` begins the work.

        Args:
            engine: the database.
            tasks: kind of job -> what does it: (record, report) -> result; `report(progress 0 to 1, step)` must be
                called often, because it raises `Cancelled` when the job has to stop.
            n_workers: jobs that run at the same time.
            limits: how many jobs there may be.
        """
        super().__init__(engine, limits)
        self._tasks = tasks
        self._n_workers = n_workers
        # Guards what follows and tells that a job was added or has ended.
        self._changed = Condition()
        self._attempts: dict[str, Attempt] = {}
        self._stopping = False
        self._threads: list[Thread] = []

    @property
    def is_stopping(self) -> bool:
        """Whether nobody should wait for a job any more."""
        return self._stopping

    def wait(self, job_id: str, timeout_s: float) -> JobRecord:
        """Return the job once it has ended; see `JobQueue.wait`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                record = self._table.get(job_id)
                if record is None:
                    raise KeyError(job_id)
                remaining = deadline - time.monotonic()
                if not record.is_active or self._stopping or remaining <= 0:
                    return record
                self._changed.wait(remaining)

    def cancel(self, client: str, job_id: str) -> JobRecord:
        """Cancel a job; see `JobQueue.cancel`."""
        self._cancel([self._table.find(client, job_id)])
        return self._table.find(client, job_id)

    def cancel_all(self, client: str, raster: str | None = None) -> None:
        """Cancel the client's jobs, on one raster or all, and wait briefly until those that run have stopped."""
        records = self._table.find_all(client, raster=raster, only_active=True)
        self._cancel(records)
        jobs = {record.job for record in records}
        with self._changed:
            if not self._changed.wait_for(lambda: not jobs & self._attempts.keys(), CANCEL_WAIT_S):
                log.warning("Jobs of client %s did not stop within %.0f s", client, CANCEL_WAIT_S)

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

    def _announce(self) -> None:
        with self._changed:
            self._changed.notify_all()

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
                    return attempt
                self._changed.wait()
        return None

    def _run(self, attempt: Attempt) -> None:
        try:
            attempt.run(self._tasks[attempt.record.kind])
        finally:
            with self._changed:
                del self._attempts[attempt.record.job]
                self._changed.notify_all()
