"""A queue that hears when a job begins and ends, so that nobody who waits has to look again and again."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Collection
from threading import Condition

from sqlalchemy import Engine

from server.jobs.job_queue import CANCEL_WAIT_S, JobQueue
from server.jobs.limits import QueueLimits
from server.jobs.records import JobRecord

log = logging.getLogger(__name__)


class InformedQueue(JobQueue):
    """What queues have in common whose workers belong to the service's one process."""

    def __init__(self, engine: Engine, limits: QueueLimits) -> None:
        """Open the queue; see `JobQueue`."""
        super().__init__(engine, limits)
        # Guards what subclasses keep and tells that a job was added, has begun or has ended.
        self._changed = Condition()
        self._stopping = False

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

    def cancel_all(self, client: str, raster: str | None = None) -> None:
        """Cancel the client's jobs, on one raster or all, and wait briefly until those that run have stopped."""
        records = self._table.find_all(client, raster=raster, only_active=True)
        self._cancel(records)
        jobs = {record.job for record in records}
        with self._changed:
            if not self._changed.wait_for(lambda: jobs.isdisjoint(self._jobs_at_work()), CANCEL_WAIT_S):
                log.warning("Jobs of client %s did not stop within %.0f s", client, CANCEL_WAIT_S)

    @abstractmethod
    def _jobs_at_work(self) -> Collection[str]:
        """Return the ids of the jobs that workers are at; asked under `_changed`."""
