"""Help with jobs of other workers: their windows, as long as nothing else is to do."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from server.cluster.looking import Look, help_looking
from server.errors import Cancelled
from server.jobs.claims import OpenWork, WindowClaims
from server.jobs.execution import Task
from server.jobs.records import JobRecord
from server.jobs.table import JobTable
from server.observability.context import entered_job

# How often one who helps asks whether the job still runs, in seconds.
CHECK_INTERVAL_S = 1.0
# Of work that this process cannot help with, the latest are remembered.
MAX_REFUSED = 100
log = logging.getLogger(__name__)


@runtime_checkable
class SharedTask(Protocol):
    """A task whose windows other workers may look at while one of them runs it."""

    def join(self, record: JobRecord, work: str, check: Callable[[], None]) -> AbstractContextManager[Look | None]:
        """Give the windows of a running job, None where this process would find something else in them."""
        ...


class Helper:
    """Looks at windows of jobs that other workers have.

    Attributes:
        doing: id of the job it helps with, empty for none.
    """

    def __init__(self, engine: Engine, tasks: Mapping[str, Task], worker: str, is_needed: Callable[[], bool]) -> None:
        """Prepare.

        Args:
            engine: the database.
            tasks: kind of job -> what does it.
            worker: name of this worker.
            is_needed: asked between windows; true ends the help, because this worker has better to do or is to stop.
        """
        self.doing = ""
        self._tasks = tasks
        self._is_needed = is_needed
        self._table = JobTable(engine, worker)
        self._claims = WindowClaims(engine, worker)
        self._stopping = False
        self._refused: deque[str] = deque(maxlen=MAX_REFUSED)

    def stop(self) -> None:
        """End the help within a second or so; there will be no more."""
        self._stopping = True

    def help(self, numbers: range | None = None, job: str | None = None) -> None:
        """Look at windows, those with the given numbers, of a given job; None means any.

        Raises:
            SQLAlchemyError: the database cannot be asked.
        """
        for work in self._claims.find_open(job):
            if self._stopping or self._help(work, numbers or range(work.n_windows)):
                return

    def _help(self, work: OpenWork, numbers: range) -> bool:
        """Look at windows of a job; return whether there were any."""
        record = self._table.get(work.job)
        task: object = None if record is None else self._tasks.get(record.kind)
        if record is None or not isinstance(task, SharedTask) or work.work in self._refused:
            return False
        self.doing = work.job
        try:
            with entered_job(work.job):
                return self._join(task, record, work, numbers)
        except (Cancelled, FileNotFoundError):  # the job is over, or this worker is
            return True
        except SQLAlchemyError:
            raise
        except Exception:  # whoever has the job tells its client, where it is not this process that lacks something
            log.exception("No more help with job %s", work.job)
            self._refused.append(work.work)
            return False
        finally:
            self.doing = ""

    def _join(self, task: SharedTask, record: JobRecord, work: OpenWork, numbers: range) -> bool:
        check = Throttled(lambda: self._check_help(work))
        with task.join(record, work.work, check) as look:
            if look is None:
                log.warning("No help with this job: device, precision, weights or version differ here")
                self._refused.append(work.work)
                return False
            return help_looking(self._claims, work.job, look, numbers, check, self._is_needed) > 0

    def _check_help(self, work: OpenWork) -> None:
        if self._stopping or work not in self._claims.find_open(work.job):
            raise Cancelled


class Throttled:
    """Calls a check now and then, however often it is called itself."""

    def __init__(self, check: Callable[[], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._check = check
        self._clock = clock
        self._next = clock() + CHECK_INTERVAL_S

    def __call__(self) -> None:
        """Check where the last time is long enough ago; may raise to stop."""
        now = self._clock()
        if now >= self._next:
            self._next = now + CHECK_INTERVAL_S
            self._check()
