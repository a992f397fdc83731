"""Reading and changing job rows: each function is one transaction that leaves the table consistent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from server.database import reading, writing
from server.errors import NoSuchJob, WrongMoment
from server.jobs.history import add_line, begin_anew, count_interruption, read_lines
from server.jobs.limits import QueueLimits, check_room
from server.jobs.records import ACTIVE, CANCELLED, FAILED, QUEUED, RUNNING, JobRecord, JobRow, make_record

# A job that takes the process down before it gets any further would do it again and again; a machine that is restarted
# a few times while the network loads is no fault of the job.
MAX_FUTILE_ATTEMPTS = 5
# Clients see their past; a program that submits for months must not make it grow without end.
MAX_FINISHED_PER_CLIENT = 200
INTERRUPTED_TOO_OFTEN = {
    "code": "internal_error",
    "message": f"The server stopped {MAX_FUTILE_ATTEMPTS} times in a row while this job got no further, so it is not "
    "tried again by itself. Try a smaller window or other parameters, or ask the operator.",
    "field": None,
}
# Failures that are not the request's fault: what such a job has finished waits for another attempt.
RETRIED_CODES = ("internal_error", "storage_full", "unavailable")
# Kinds whose jobs take seconds to minutes, for people who wait: they come before their client's whole rasters.
QUICK_KINDS = ("prompts", "similar")


@dataclass(frozen=True)
class NewJob:
    """What a client asks for; see `JobRecord`."""

    kind: str
    client: str
    raster: str | None
    request: dict[str, Any]


class JobTable:
    """The jobs of all clients."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
            row = _require(session, client, job)
            if row.state not in (FAILED, CANCELLED):
                raise WrongMoment(
                    f"This job is {row.state}; only a job that failed or was cancelled can be tried again.", "job"
                )
            check_room(session, client, limits)
            _queue_again(row)
            row.finished, row.error = None, None
            begin_anew(session, row)
            add_line(session, row, f"tried again: {reason}" if reason else "tried again")
            return make_record(row)

    def read_log(self, client: str, job: str) -> list[dict[str, Any]]:
        """Return what happened to a job, oldest first: `time` in seconds since 1970, and `text`.

        Raises:
            NoSuchJob: see `find`.
        """
        with reading(self._engine) as session:
            return read_lines(session, _require(session, client, job).job)

    def find(self, client: str, job: str) -> JobRecord:
        """Return a job of this client.

        Raises:
            NoSuchJob: the client has none of this id, whoever else may have.
        """
        with reading(self._engine) as session:
            return make_record(_require(session, client, job))

    def get(self, job: str) -> JobRecord | None:
        """Return any client's job."""
        with reading(self._engine) as session:
            row = _row(session, job)
            return None if row is None else make_record(row)

    def find_all(self, client: str, *, raster: str | None = None, only_active: bool = False) -> list[JobRecord]:
        """Return the jobs of a client, latest first; `raster` None means all its rasters."""
        query = select(JobRow).where(JobRow.client == client).order_by(JobRow.number.desc())
        if raster is not None:
            query = query.where(JobRow.raster == raster)
        if only_active:
            query = query.where(JobRow.state.in_(ACTIVE))
        with reading(self._engine) as session:
            return [make_record(row) for row in session.scalars(query)]

    def active_ids(self) -> set[str]:
        """Return the ids of all jobs that wait or run."""
        with reading(self._engine) as session:
            return set(session.scalars(select(JobRow.job).where(JobRow.state.in_(ACTIVE))))

    def ids_with_files(self, oldest_s: float) -> set[str]:
        """Return the ids of jobs whose files are needed: those that wait or run, and those worth another attempt.

        Args:
            oldest_s: seconds since 1970; what failed before that is not tried again any more.
        """
        failed_lately = (JobRow.state == FAILED) & (JobRow.finished > oldest_s)
        with reading(self._engine) as session:
            rows = session.execute(select(JobRow.job, JobRow.error).where(failed_lately)).all()
            return {job for job, error in rows if is_worth_retrying(error)} | self.active_ids()

    def counts(self) -> tuple[int, int]:
        """Return how many jobs run and how many wait."""
        query = select(JobRow.state, func.count()).where(JobRow.state.in_(ACTIVE)).group_by(JobRow.state)
        with reading(self._engine) as session:
            found = {row[0]: row[1] for row in session.execute(query)}
        return found.get(RUNNING, 0), found.get(QUEUED, 0)

    def begin_next(self, last_served: Mapping[str, int], kinds: Collection[str]) -> JobRecord | None:
        """Take a job of the client whose turn it is, quick ones first, then the oldest, and call it running.

        Args:
            last_served: client id -> number that grows with each turn; who never had one comes first.
            kinds: kinds of jobs that can be worked on.
        """
        condition = (JobRow.state == QUEUED) & JobRow.kind.in_(kinds)
        is_slow = JobRow.kind.not_in(QUICK_KINDS)
        oldest = select(JobRow.client, is_slow, func.min(JobRow.number)).where(condition)
        with writing(self._engine) as session:
            candidates = session.execute(oldest.group_by(JobRow.client, is_slow)).all()
            if not candidates:
                return None
            client = min(candidates, key=lambda item: (last_served.get(item[0], 0), item[2]))[0]
            _, number = min((slow, number) for owner, slow, number in candidates if owner == client)
            row = session.get_one(JobRow, number)
            row.state, row.started, row.attempts = RUNNING, time.time(), row.attempts + 1
            row.progress, row.step, row.eta_s = 0.0, "", None
            add_line(session, row, f"attempt {row.attempts} begins")
            return make_record(row)

    def note_progress(
        self, job: str, progress: float, step: str, eta_s: float | None, *, is_new_step: bool = False
    ) -> None:
        """Write down how far a running job is; a new step becomes a line of its log."""
        values = {"progress": progress, "step": step, "eta_s": eta_s}
        with writing(self._engine) as session:
            session.execute(update(JobRow).where(JobRow.job == job, JobRow.state == RUNNING).values(**values))
            row = _row(session, job) if is_new_step else None
            if row is not None:
                add_line(session, row, step)

    def finish(self, job: str, **values: Any) -> None:
        """Give a job its final `state` and whatever else belongs to it: `result` or `error`."""
        with writing(self._engine) as session:
            row = _row(session, job)
            if row is not None:
                row.finished, row.eta_s = time.time(), None
                for name, value in values.items():
                    setattr(row, name, value)
                add_line(session, row, f"failed: {row.error['message']}" if row.error else row.state)

    def cancel_idle(self, job: str) -> None:
        """Cancel a job that no worker is at; one that has ended stays as it is."""
        with writing(self._engine) as session:
            row = _row(session, job)
            if row is not None and row.state in ACTIVE:
                row.state, row.finished, row.eta_s = CANCELLED, time.time(), None
                add_line(session, row, CANCELLED)

    def put_back(self, job: str) -> None:
        """Let a job that an orderly stop interrupted wait again; that attempt does not count."""
        with writing(self._engine) as session:
            row = _row(session, job)
            if row is not None:
                _queue_again(row)
                row.attempts -= 1
                add_line(session, row, "the server is being stopped; waiting")

    def recover(self, count_finished: Callable[[JobRecord], int]) -> None:
        """Let the jobs wait again that an earlier process was working on, unless they get nowhere.

        Args:
            count_finished: tells how many parts of a job need not be done again.
        """
        with reading(self._engine) as session:
            running = [make_record(row) for row in session.scalars(select(JobRow).where(JobRow.state == RUNNING))]
        n_finished = {record.job: count_finished(record) for record in running}
        with writing(self._engine) as session:
            for row in session.scalars(select(JobRow).where(JobRow.job.in_(n_finished))):
                n_futile = count_interruption(session, row, n_finished[row.job])
                if n_futile >= MAX_FUTILE_ATTEMPTS:
                    row.state, row.error, row.finished, row.eta_s = FAILED, INTERRUPTED_TOO_OFTEN, time.time(), None
                    add_line(session, row, f"failed: {INTERRUPTED_TOO_OFTEN['message']}")
                else:
                    _queue_again(row)
                    add_line(session, row, f"the server stopped; {n_finished[row.job]} parts are finished, waiting")

    def forget(self, client: str) -> None:
        """Remove the jobs of a client that is no more."""
        with writing(self._engine) as session:
            session.execute(delete(JobRow).where(JobRow.client == client))


def is_worth_retrying(error: Mapping[str, Any] | None) -> bool:
    """Tell whether a job that failed like this may succeed as it is."""
    return error is not None and error["code"] in RETRIED_CODES


def _require(session: Session, client: str, job: str) -> JobRow:
    row = _row(session, job)
    if row is None or row.client != client:
        raise NoSuchJob(f'No job of yours has the id "{job[:80]}". See GET /jobs for the ids of your jobs.')
    return row


def _row(session: Session, job: str) -> JobRow | None:
    return session.scalars(select(JobRow).where(JobRow.job == job)).one_or_none()


def _queue_again(row: JobRow) -> None:
    row.state, row.started, row.progress, row.step, row.eta_s = QUEUED, None, 0.0, "", None


def _drop_oldest_finished(session: Session, client: str) -> None:
    finished = select(JobRow.number).where(JobRow.client == client, JobRow.state.not_in(ACTIVE))
    surplus = finished.order_by(JobRow.number.desc()).offset(MAX_FINISHED_PER_CLIENT)
    session.execute(delete(JobRow).where(JobRow.number.in_(surplus)))
