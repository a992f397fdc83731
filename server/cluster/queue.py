"""The queue of a process that serves: jobs go into the database, and workers elsewhere are told."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from threading import Event

from sqlalchemy import Engine

from server.cluster.messages import Messenger
from server.jobs.execution import Task, discard_finished
from server.jobs.job_queue import CANCEL_WAIT_S, JobQueue
from server.jobs.limits import DEFAULT_LIMITS, QueueLimits
from server.jobs.records import JobRecord

# How often somebody who waits looks into the database, in seconds: soon at first, because some jobs are short.
FIRST_LOOK_S, LOOK_FACTOR, LONGEST_LOOK_S = 0.05, 1.5, 0.5
log = logging.getLogger(__name__)


class CeleryQueue(JobQueue):
    """Leaves the work to worker processes; see `server.cluster.worker`."""

    def __init__(
        self, engine: Engine, tasks: Mapping[str, Task], messenger: Messenger, limits: QueueLimits = DEFAULT_LIMITS
    ) -> None:
        """Keep what the queue needs.

        Args:
            engine: the database, which the workers use, too.
            tasks: kind of job -> what does it; here only asked to remove what a cancelled job has kept.
            messenger: tells the workers.
            limits: how many jobs there may be.
        """
        super().__init__(engine, limits)
        self._tasks = tasks
        self._messenger = messenger
        self._stopping = Event()

    @property
    def is_stopping(self) -> bool:
        """Whether nobody should wait for a job any more."""
        return self._stopping.is_set()

    def wait(self, job_id: str, timeout_s: float) -> JobRecord:
        """Return the job once it has ended; see `JobQueue.wait`."""
        deadline = time.monotonic() + timeout_s
        pause_s = FIRST_LOOK_S
        while True:
            record = self._table.get(job_id)
            if record is None:
                raise KeyError(job_id)
            remaining_s = deadline - time.monotonic()
            if not record.is_active or remaining_s <= 0 or self._stopping.wait(min(pause_s, remaining_s)):
                return record
            pause_s = min(pause_s * LOOK_FACTOR, LONGEST_LOOK_S)

    def cancel_all(self, client: str, raster: str | None = None) -> None:
        """Cancel the client's jobs; see `JobQueue.cancel_all`."""
        records = self._table.find_all(client, raster=raster, only_active=True)
        self._cancel(records)
        deadline = time.monotonic() + CANCEL_WAIT_S
        for record in records:
            try:
                stopped = self.wait(record.job, max(0.0, deadline - time.monotonic()))
            except KeyError:  # the client was removed meanwhile
                continue
            if stopped.is_active:
                log.warning("Job %s did not stop within %.0f s", record.job, CANCEL_WAIT_S)

    def start(self) -> None:
        """Do nothing: the workers are processes of their own."""
        self._stopping.clear()

    def stop(self, timeout_s: float) -> None:  # noqa: ARG002 - nothing here takes time
        """Let nobody wait any more; the workers go on."""
        self._stopping.set()

    def _announce(self) -> None:
        self._messenger.tell_of_job()

    def _cancel(self, records: Iterable[JobRecord]) -> None:
        for record in records:
            if self._table.cancel_anywhere(record.job):
                discard_finished(self._tasks.get(record.kind), record)
