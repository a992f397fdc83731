"""What routes know of a queue, whoever works on its jobs: the table of jobs is the one truth about them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Engine

from server.jobs.limits import QueueLimits
from server.jobs.records import JobRecord
from server.jobs.table import JobTable, NewJob

# A running job stops within two seconds of work; the rest is for a busy machine.
CANCEL_WAIT_S = 5.0


class JobQueue(ABC):
    """Takes in jobs and tells about them; safe to share by threads."""

    def __init__(self, engine: Engine, limits: QueueLimits) -> None:
        """Open the queue on a database; `start` begins the work, where this process has a part in it."""
        self._table = JobTable(engine)
        self._limits = limits

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
        record = self._table.insert(NewJob(kind, client, raster, request), self._limits)
        self._announce()
        return record

    def retry(self, client: str, job_id: str, reason: str = "") -> JobRecord:
        """Let a job wait again that failed or was cancelled; see `JobTable.retry` for what may be wrong."""
        record = self._table.retry(client, job_id, reason, self._limits)
        self._announce()
        return record

    def read_log(self, client: str, job_id: str) -> Sequence[dict[str, Any]]:
        """Return what happened to a job so far; see `JobTable.read_log`."""
        return self._table.read_log(client, job_id)

    def find(self, client: str, job_id: str) -> JobRecord:
        """Return a job of this client.

        Raises:
            NoSuchJob: the client has none of this id.
        """
        return self._table.find(client, job_id)

    def list(self, client: str) -> Sequence[JobRecord]:
        """Return the client's jobs, latest first."""
        return self._table.find_all(client)

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
        self._table.forget(client)

    @property
    def process_id(self) -> int | None:
        """The number of the process beside this one that works on jobs; None where there is none."""
        return None

    @property
    @abstractmethod
    def is_stopping(self) -> bool:
        """Whether nobody should wait for a job any more."""

    @abstractmethod
    def wait(self, job_id: str, timeout_s: float) -> JobRecord:
        """Return the job once it has ended, or as it is after `timeout_s`, or when the queue stops.

        Raises:
            KeyError: there is no such job.
        """

    def cancel(self, client: str, job_id: str) -> JobRecord:
        """Cancel a job: at once if it waits, at its next report if it runs; one that has ended stays as it is.

        Raises:
            NoSuchJob: the client has none of this id.
        """
        self._cancel([self._table.find(client, job_id)])
        return self._table.find(client, job_id)

    @abstractmethod
    def cancel_all(self, client: str, raster: str | None = None) -> None:
        """Cancel the client's jobs, on one raster or all, and wait briefly until those that run have stopped."""

    @abstractmethod
    def start(self) -> None:
        """Begin the work of this process."""

    @abstractmethod
    def stop(self, timeout_s: float) -> None:
        """End the work of this process; what runs here waits for another one.

        Args:
            timeout_s: what does not stop in this time is left to end with the process.
        """

    @abstractmethod
    def _cancel(self, records: Iterable[JobRecord]) -> None:
        """Cancel what waits and tell what runs to stop."""

    @abstractmethod
    def _announce(self) -> None:
        """Tell whoever works that a job waits."""
