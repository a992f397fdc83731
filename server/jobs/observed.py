"""Tasks as the operator sees them: log lines carry the job's id, time is counted, and what was lacking is said."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Any

from server.jobs.execution import ResumableTask, Task
from server.jobs.records import JobRecord
from server.observability.context import entered_job
from server.shortages import explain_shortage

# Counts the time of one attempt at a kind of job.
Timer = Callable[[str], AbstractContextManager[None]]
log = logging.getLogger(__name__)


def timed(note: Callable[[str, str, float], None]) -> Timer:
    """Return what measures attempts and passes on kind of job, outcome ("done" or the error's name) and seconds."""

    @contextmanager
    def measured(kind: str) -> Iterator[None]:
        started, outcome = perf_counter(), "done"
        try:
            yield
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            note(kind, outcome, perf_counter() - started)

    return measured


def observe(task: Task, timer: Timer) -> Task:
    """Return `task` as it was, but observed."""
    return ObservedResumable(task, task, timer) if isinstance(task, ResumableTask) else Observed(task, timer)


class Observed:
    """A task that is observed."""

    def __init__(self, task: Task, timer: Timer) -> None:
        self._task = task
        self._timer = timer

    def __call__(self, record: JobRecord, report: Callable[[float, str], None]) -> dict[str, Any]:
        """Work on the job; see `Task`.

        Raises:
            UserError: disk, memory or database ran short.
        """
        with entered_job(record.job), self._timer(record.kind):
            log.info("Attempt %d at a job: %s", record.attempts, record.kind)
            try:
                result = self._task(record, report)
            except Exception as error:
                shortage = explain_shortage(error)
                if shortage is None:
                    raise
                log.exception("The machine lacks something")
                raise shortage from error
            log.info("The job is done")
            return result


class ObservedResumable(Observed):
    """A task that is observed and goes on where an earlier attempt stopped."""

    def __init__(self, task: Task, resumable: ResumableTask, timer: Timer) -> None:
        super().__init__(task, timer)
        self._resumable = resumable

    def count_finished(self, record: JobRecord) -> int:
        """See `ResumableTask`."""
        return self._resumable.count_finished(record)

    def discard(self, record: JobRecord) -> None:
        """See `ResumableTask`."""
        self._resumable.discard(record)
