"""One attempt at one job: reports of progress, the ways to stop it, and what its end is called."""

from __future__ import annotations

import errno
import json
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from sqlalchemy.exc import SQLAlchemyError

from server.errors import Cancelled, StorageFull, UserError
from server.jobs.lookups import is_worth_retrying
from server.jobs.pace import Pace
from server.jobs.records import CANCELLED, DONE, FAILED, JobRecord
from server.jobs.table import JobTable

Task = Callable[[JobRecord, Callable[[float, str], None]], dict[str, Any]]
# Tasks report with every batch of points; four lines a second are more than a page shows.
REPORT_INTERVAL_S = 0.25
MAX_PROGRESS_WHILE_RUNNING = 0.999
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
NUMBERS = re.compile(r"\d+")
log = logging.getLogger(__name__)


@runtime_checkable
class ResumableTask(Protocol):
    """A task whose finished parts outlive an attempt, so that the next one goes on from there."""

    def count_finished(self, record: JobRecord) -> int:
        """Return how many parts need not be done again."""
        ...

    def discard(self, record: JobRecord) -> None:
        """Remove the finished parts, because the job is over."""
        ...


class Attempt:
    """Runs a job once; other threads may ask it to stop.

    Attributes:
        record: the job as it was when the attempt began.
    """

    def __init__(
        self,
        record: JobRecord,
        table: JobTable,
        *,
        clock: Callable[[], float] = time.monotonic,
        passes: Callable[[Exception], bool] = lambda _error: False,
    ) -> None:
        """Prepare.

        Args:
            record: the job, which was begun.
            table: where it stands.
            clock: seconds that go on evenly.
            passes: tells of an error that it is none of the job's: the job is left as it is, to be recovered.
        """
        self.record = record
        self._passes = passes
        self._table = table
        self._clock = clock
        self._next_note = clock()
        self._pace = Pace(self._next_note)
        self._stage = ""
        self._is_cancelled = False
        self._is_interrupted = False
        self._is_abandoned = False

    def cancel(self) -> None:
        """Stop at the next report, for good."""
        self._is_cancelled = True

    def interrupt(self) -> None:
        """Stop at the next report and let the job wait for a later process."""
        self._is_interrupted = True

    def abandon(self) -> None:
        """Stop at the next report and leave everything as it is: another worker is at the job, or will be."""
        self._is_abandoned = True

    def run(self, task: Task) -> None:
        """Work on the job and write down how that ended; nothing a task raises gets out of here."""
        job = self.record.job
        try:
            result = task(self.record, self._report)
            json.dumps(result, allow_nan=False)  # what clients could not read must fail here, not in their request
        except Cancelled:
            if self._is_abandoned:
                log.warning("Job %s is left to another worker", job)
            elif self._is_interrupted and not self._is_cancelled:
                self._table.put_back(job)
            else:
                self._end(task, state=CANCELLED)
        except Exception as error:  # noqa: BLE001 - a bug in one job must not end the worker; it is logged below
            if self._passes(error):
                log.warning("Job %s is left to another attempt: %s", job, error)
            elif self._is_cancelled:  # its raster may be gone already, which then is no failure
                self._end(task, state=CANCELLED)
            else:
                self._end(task, state=FAILED, error=self._describe(error))
        else:
            self._end(task, state=DONE, progress=1.0, result=result)

    def _end(self, task: Task, **values: Any) -> None:
        # First, so that whoever sees the end finds nothing left over.
        if not is_worth_retrying(values.get("error")) and self._table.is_mine(self.record.job):
            discard_finished(task, self.record)
        self._table.finish(self.record.job, **values)

    def _report(self, progress: float, step: str) -> None:
        """Note how far the job is; called by the task.

        Raises:
            Cancelled: the job was asked to stop.
        """
        if self._is_cancelled or self._is_interrupted or self._is_abandoned:
            raise Cancelled
        now = self._clock()
        if now < self._next_note:
            return
        self._next_note = now + REPORT_INTERVAL_S
        progress = min(max(progress, 0.0), MAX_PROGRESS_WHILE_RUNNING)
        remaining_s = self._pace.estimate_remaining_s(now, progress)
        # "window 8 of 9" after "window 7 of 9" is no news for the log.
        stage = NUMBERS.sub("", step)
        try:
            self._table.note_progress(self.record.job, progress, step, remaining_s, is_new_step=stage != self._stage)
        except SQLAlchemyError as error:  # the next one will tell the same; work is not lost for that
            log.warning("The progress of job %s could not be noted: %s", self.record.job, error)
        else:
            self._stage = stage

    def _describe(self, error: Exception) -> dict[str, str | None]:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            log.error("Job %s met a full disk: %s", self.record.job, error)
            error = StorageFull("The server's disk is full; tell its operator, and try again later.")
        if isinstance(error, UserError):
            return {"code": error.code, "message": error.message, "field": error.field}
        log.error("Job %s (%s) failed", self.record.job, self.record.kind, exc_info=error)
        if isinstance(error, MemoryError):
            message = (
                "The server ran out of memory on this job. Try a smaller window or fewer points, or ask the operator."
            )
        else:
            message = "Something went wrong in the server; its log says what. Please tell its operator."
        return {"code": "internal_error", "message": message, "field": None}


def count_finished(task: object, record: JobRecord) -> int:
    """Return how many parts of a job its next attempt need not do again."""
    if not isinstance(task, ResumableTask):
        return 0
    try:
        return task.count_finished(record)
    except UserError:  # the raster is gone, and they with it
        return 0


def discard_finished(task: object, record: JobRecord) -> None:
    """Remove what a job that is over has kept for another attempt."""
    if isinstance(task, ResumableTask):
        with suppress(UserError):  # the raster is gone, and the finished parts with it
            task.discard(record)
