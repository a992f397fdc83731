"""Reading and changing job rows: each function is one transaction that leaves the table consistent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from server.database import reading, writing
from server.errors import WrongMoment
from server.jobs.claims import claim, find_claim, release, select_unclaimed
from server.jobs.history import add_line, begin_anew
from server.jobs.limits import QueueLimits, check_room
from server.jobs.lookups import JobLookups, find_row, require_row
from server.jobs.records import ACTIVE, CANCELLED, FAILED, QUEUED, RUNNING, JobRecord, JobRow, make_record
from server.jobs.recovery import cancel_as_told, cancel_row, queue_again, recover_row
from server.jobs.turns import TurnRow, choose_next

# Clients see their past; a program that submits for months must not make it grow without end.
MAX_FINISHED_PER_CLIENT = 200


@dataclass(frozen=True)
class NewJob:
    """What a client asks for; see `JobRecord`."""

    kind: str
    client: str
    raster: str | None
    request: dict[str, Any]


class JobTable(JobLookups):
    """The jobs of all clients, to look at and to change."""

    def __init__(self, engine: Engine, worker: str = "") -> None:
        """Open the table.

        Args:
            engine: the database.
            worker: name of this process where several work on the jobs of one table: it writes only about running jobs
                that it has claimed. Empty where no other process works.
        """
        super().__init__(engine)
        self._worker = worker

    def insert(self, job: NewJob, limits: QueueLimits) -> JobRecord:
        """Add a queued job.

        Raises:
            TooFrequent: the client, or all clients together, have as many jobs as they may.
        """
        with writing(self._engine) as session:
            check_room(session, job.client, limits)
            row = JobRow(
                job=uuid.uuid4().hex,
                kind=job.kind,
                client=job.client,
                raster=job.raster,
                request=job.request,
                state=QUEUED,
                created=time.time(),
            )
            session.add(row)
            session.flush()
            add_line(session, row, "waiting")
            _drop_oldest_finished(session, job.client)
            return make_record(row)

    def retry(self, client: str, job: str, reason: str, limits: QueueLimits) -> JobRecord:
        """Let a job wait again that failed or was cancelled; what it finished before a failure is used again.

        Args:
            client: whose job it is.
            job: its id.
            reason: why, for its log; may be empty.
            limits: as for a new job.

        Raises:
            NoSuchJob: the client has none of this id.
            WrongMoment: it waits, runs or is done.
            TooFrequent: see `insert`.
        """
        with writing(self._engine) as session:
            row = require_row(session, client, job)
            if row.state not in (FAILED, CANCELLED):
                raise WrongMoment(
                    f"This job is {row.state}; only a job that failed or was cancelled can be tried again.", "job"
                )
            check_room(session, client, limits)
            queue_again(row)
            row.finished, row.error = None, None
            begin_anew(session, row)
            add_line(session, row, f"tried again: {reason}" if reason else "tried again")
            return make_record(row)

    def begin_next(self, kinds: Collection[str]) -> JobRecord | None:
        """Take the next job, clients by turns, and call it running; see `choose_next`."""
        with writing(self._engine) as session:
            row = choose_next(session, kinds)
            if row is None:
                return None
            row.state, row.started, row.attempts = RUNNING, time.time(), row.attempts + 1
            row.progress, row.step, row.eta_s = 0.0, "", None
            if self._worker:
                claim(session, row.job, self._worker)
            add_line(session, row, f"attempt {row.attempts} begins")
            return make_record(row)

    def is_mine(self, job: str) -> bool:
        """Tell whether this process may still work on a job that it has begun."""
        with reading(self._engine) as session:
            return self._find_running(session, job) is not None

    def is_told_to_stop(self, job: str) -> bool:
        """Tell whether a running job is to be cancelled by the worker that is at it."""
        with reading(self._engine) as session:
            found = find_claim(session, job)
            return found is not None and found.is_cancelled

    def note_progress(
        self, job: str, progress: float, step: str, eta_s: float | None, *, is_new_step: bool = False
    ) -> None:
        """Write down how far a running job is; a new step becomes a line of its log."""
        with writing(self._engine) as session:
            row = self._find_running(session, job)
            if row is not None:
                row.progress, row.step, row.eta_s = progress, step, eta_s
                if is_new_step:
                    add_line(session, row, step)

    def finish(self, job: str, **values: Any) -> None:
        """Give a job its final `state` and whatever else belongs to it: `result` or `error`."""
        with writing(self._engine) as session:
            row = self._find_running(session, job)
            if row is not None:
                release(session, job)
                row.finished, row.eta_s = time.time(), None
                for name, value in values.items():
                    setattr(row, name, value)
                add_line(session, row, f"failed: {row.error['message']}" if row.error else row.state)

    def cancel_idle(self, job: str) -> None:
        """Cancel a job that no worker is at; one that has ended stays as it is."""
        with writing(self._engine) as session:
            row = find_row(session, job)
            if row is not None and row.state in ACTIVE:
                cancel_row(session, row)

    def cancel_anywhere(self, job: str) -> bool:
        """Cancel a job that no living worker is at, or tell its worker to; return whether it is over now."""
        with writing(self._engine) as session:
            row = find_row(session, job)
            if row is None or row.state not in ACTIVE:
                return False
            is_idle = JobRow.number == row.number, (JobRow.state == QUEUED) | select_unclaimed(session)
            if session.scalar(select(JobRow.number).where(*is_idle)) is not None:
                cancel_row(session, row)
                return True
            found = find_claim(session, job)
            if found is not None:
                found.is_cancelled = True
            return False

    def put_back(self, job: str) -> None:
        """Let a job that an orderly stop interrupted wait again; that attempt does not count."""
        with writing(self._engine) as session:
            row = self._find_running(session, job)
            if row is not None and not cancel_as_told(session, row):
                release(session, job)
                queue_again(row)
                row.attempts -= 1
                add_line(session, row, "the server is being stopped; waiting")

    def let_go(self, job: str) -> None:
        """Give up the claim on a running job, as the end of the process would; whoever recovers jobs finds it."""
        with writing(self._engine) as session:
            row = self._find_running(session, job)
            if row is not None and not cancel_as_told(session, row):
                release(session, job)

    def recover(self, count_finished: Callable[[JobRecord], int], *, only_unclaimed: bool = False) -> int:
        """Let the jobs wait again that another process was working on, unless they get nowhere.

        Args:
            count_finished: tells how many parts of a job need not be done again.
            only_unclaimed: leave those alone that a living worker has claimed.

        Returns:
            How many jobs wait again.
        """

        def find_lost(session: Session) -> list[JobRow]:
            query = select(JobRow).where(JobRow.state == RUNNING)
            return list(session.scalars(query.where(select_unclaimed(session)) if only_unclaimed else query))

        with reading(self._engine) as session:
            lost = [make_record(row) for row in find_lost(session)]
        if not lost:
            return 0
        n_finished = {record.job: count_finished(record) for record in lost}
        n_waiting = 0
        with writing(self._engine) as session:
            for row in find_lost(session):
                if row.job in n_finished:
                    n_waiting += recover_row(session, row, n_finished[row.job])
        return n_waiting

    def forget(self, client: str) -> None:
        """Remove the jobs of a client that is no more."""
        with writing(self._engine) as session:
            session.execute(delete(JobRow).where(JobRow.client == client))
            session.execute(delete(TurnRow).where(TurnRow.client == client))

    def _find_running(self, session: Session, job: str) -> JobRow | None:
        """Return a running job, None where it is not or another worker has claimed it meanwhile."""
        row = find_row(session, job)
        if row is None or row.state != RUNNING:
            return None
        if not self._worker:
            return row
        found = find_claim(session, job)
        return row if found is not None and found.worker == self._worker else None


def _drop_oldest_finished(session: Session, client: str) -> None:
    finished = select(JobRow.number).where(JobRow.client == client, JobRow.state.not_in(ACTIVE))
    surplus = finished.order_by(JobRow.number.desc()).offset(MAX_FINISHED_PER_CLIENT)
    session.execute(delete(JobRow).where(JobRow.number.in_(surplus)))
