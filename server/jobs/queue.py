"""The queue of this process: worker threads that take jobs from the database, fairly between clients."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from threading import Condition, Thread
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from server.jobs.execution import Attempt, Task, count_finished, discard_finished
from server.jobs.limits import QueueLimits
from server.jobs.records import JobRecord
from server.jobs.table import JobTable, NewJob

# A running job stops within two seconds of work; the rest is for a busy machine.
CANCEL_WAIT_S = 5.0
PAUSE_AFTER_FAILURE_S = 1.0
log = logging.getLogger(__name__)


class LocalQueue:
    """Runs jobs in threads of this process; what waits survives a restart."""

    def __init__(
        self,
        engine: Engine,
        tasks: Mapping[str, Task],
        *,
        n_workers: int = 1,
        max_queued_per_client: int = 20,
        max_waiting: int = 1000,
    ) -> None:
        """Keep what the queue needs; `start` begins the work.

        Args:
            engine: the database.
            tasks: kind of job -> what does it: (record, report) -> result; `report(progress 0 to 1, step)` must be
                called often, because it raises `Cancelled` when the job has to stop.
            n_workers: jobs that run at the same time.
            max_queued_per_client: jobs a client may have waiting or running.
            max_waiting: jobs of all clients that may wait.
        """
        self._table = JobTable(engine)
        self._tasks = tasks
        self._n_workers = n_workers
        self._limits = QueueLimits(max_queued_per_client, max_waiting)
        # Guards what follows and tells that a job was added or has ended.
        self._changed = Condition()
        self._attempts: dict[str, Attempt] = {}
        self._last_served: dict[str, int] = {}
        self._n_turns = 0
        self._stopping = False
        self._threads: list[Thread] = []

    def submit(self, kind: str, *, client: str, raster: str | None, request: dict[str, Any]) -> JobRecord:
        """Add a job.

        Args:
            kind: a key of the tasks.
            client: id of the client.
            raster: name of the raster it is about.
            request: what the task needs, JSON.

        Raises:
            TooFrequent: the client, or all clients together, have too many jobs.
        """
        with self._changed:
            record = self._table.insert(NewJob(kind, client, raster, request), self._limits)
            self._changed.notify_all()
        return record

    def retry(self, client: str, job_id: str, reason: str = "") -> JobRecord:
        """Let a job wait again that failed or was cancelled; see `JobTable.retry` for what may be wrong."""
        with self._changed:
            record = self._table.retry(client, job_id, reason, self._limits)
            self._changed.notify_all()
        return record

    def read_log(self, client: str, job_id: str) -> Sequence[dict[str, Any]]:
        """Return what happened to a job so far; see `JobTable.read_log`."""
        return self._table.read_log(client, job_id)

    @property
    def is_stopping(self) -> bool:
        """Whether nobody should wait for a job any more."""
        return self._stopping

    def wait(self, job_id: str, timeout_s: float) -> JobRecord:
        """Return the job once it has ended, or as it is after `timeout_s`, or when the queue stops.

        Raises:
            KeyError: there is no such job.
        """
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

    def find(self, client: str, job_id: str) -> JobRecord:
        """Return a job of this client.

        Raises:
            NoSuchJob: the client has none of this id.
        """
        return self._table.find(client, job_id)

    def cancel(self, client: str, job_id: str) -> JobRecord:
        """Cancel a job: at once if it waits, at its next report if it runs; one that has ended stays as it is.

        Raises:
            NoSuchJob: the client has none of this id.
        """
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

    def counts(self) -> tuple[int, int]:
        """Return how many jobs run and how many wait."""
        return self._table.counts()

    def has_active(self, client_id: str) -> bool:
        """Tell whether the client has jobs waiting or running."""
        return bool(self._table.find_all(client_id, only_active=True))

    def ids_with_files(self, oldest_s: float) -> set[str]:
        """Return the ids of jobs whose files are needed; see `JobTable.ids_with_files`."""
        return self._table.ids_with_files(oldest_s)

    def forget(self, client: str) -> None:
        """Remove what is known about the jobs of a client that is no more."""
        with self._changed:
            self._last_served.pop(client, None)
        self._table.forget(client)

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

    def list(self, client: str) -> Sequence[JobRecord]:
        """Return the client's jobs, latest first."""
        return self._table.find_all(client)

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
                record = self._table.begin_next(self._last_served, self._tasks.keys())
                if record is not None:
                    self._n_turns += 1
                    self._last_served[record.client] = self._n_turns
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
