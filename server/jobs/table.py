"""Reading and changing job rows: each function is one transaction that leaves the table consistent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from server.database import reading, writing
from server.errors import NoSuchJob, TooFrequent
from server.jobs.records import ACTIVE, CANCELLED, FAILED, QUEUED, RUNNING, JobRecord, JobRow, make_record

# A job that took the process down twice would do it again.
MAX_ATTEMPTS = 2
# Clients see their past; a program that submits for months must not make it grow without end.
MAX_FINISHED_PER_CLIENT = 200
RETRY_AFTER_S = 10.0
INTERRUPTED_TOO_OFTEN = {
    "code": "internal_error",
    "message": f"The server stopped during this job {MAX_ATTEMPTS} times, so it is not tried again. "
    "Try a smaller window or other parameters, or ask the operator.",
    "field": None,
}


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

    def insert(self, job: NewJob, *, max_active: int) -> JobRecord:
        """Add a queued job.

        Raises:
            TooFrequent: the client has `max_active` jobs waiting or running.
        """
        with writing(self._engine) as session:
            condition = (JobRow.client == job.client) & JobRow.state.in_(ACTIVE)
            n_active = session.scalar(select(func.count()).select_from(JobRow).where(condition)) or 0
            if n_active >= max_active:
                raise TooFrequent(
                    f"You have {n_active} jobs waiting or running; at most {max_active} are allowed. "
                    "Wait until one has finished, or cancel one.",
                    RETRY_AFTER_S,
                )
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
            _drop_oldest_finished(session, job.client)
            return make_record(row)

    def find(self, client: str, job: str) -> JobRecord:
        """Return a job of this client.

        Raises:
            NoSuchJob: the client has none of this id, whoever else may have.
        """
        with reading(self._engine) as session:
            row = _row(session, job)
            if row is None or row.client != client:
                raise NoSuchJob(f'No job of yours has the id "{job[:80]}". See GET /jobs for the ids of your jobs.')
            return make_record(row)

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

    def counts(self) -> tuple[int, int]:
        """Return how many jobs run and how many wait."""
        query = select(JobRow.state, func.count()).where(JobRow.state.in_(ACTIVE)).group_by(JobRow.state)
        with reading(self._engine) as session:
            found = {row[0]: row[1] for row in session.execute(query)}
        return found.get(RUNNING, 0), found.get(QUEUED, 0)

    def begin_next(self, last_served: Mapping[str, int], kinds: Collection[str]) -> JobRecord | None:
        """Take the oldest job of the client whose turn it is, and call it running.

        Args:
            last_served: client id -> number that grows with each turn; who never had one comes first.
            kinds: kinds of jobs that can be worked on.
        """
        condition = (JobRow.state == QUEUED) & JobRow.kind.in_(kinds)
        oldest = select(JobRow.client, func.min(JobRow.number)).where(condition).group_by(JobRow.client)
        with writing(self._engine) as session:
            candidates = session.execute(oldest).all()
            if not candidates:
                return None
            _, number = min(candidates, key=lambda item: (last_served.get(item[0], 0), item[1]))
            row = session.get_one(JobRow, number)
            row.state, row.started, row.attempts = RUNNING, time.time(), row.attempts + 1
            row.progress, row.step, row.eta_s = 0.0, "", None
            return make_record(row)

    def note_progress(self, job: str, progress: float, step: str, eta_s: float | None) -> None:
        """Write down how far a running job is."""
        values = {"progress": progress, "step": step, "eta_s": eta_s}
        with writing(self._engine) as session:
            session.execute(update(JobRow).where(JobRow.job == job, JobRow.state == RUNNING).values(**values))

    def finish(self, job: str, **values: Any) -> None:
        """Give a job its final `state` and whatever else belongs to it: `result` or `error`."""
        with writing(self._engine) as session:
            row = _row(session, job)
            if row is not None:
                row.finished, row.eta_s = time.time(), None
                for name, value in values.items():
                    setattr(row, name, value)

    def cancel_idle(self, job: str) -> None:
        """Cancel a job that no worker is at; one that has ended stays as it is."""
        values = {"state": CANCELLED, "finished": time.time(), "eta_s": None}
        with writing(self._engine) as session:
            session.execute(update(JobRow).where(JobRow.job == job, JobRow.state.in_(ACTIVE)).values(**values))

    def put_back(self, job: str) -> None:
        """Let a job that an orderly stop interrupted wait again; that attempt does not count."""
        with writing(self._engine) as session:
            row = _row(session, job)
            if row is not None:
                _queue_again(row)
                row.attempts -= 1

    def recover(self) -> None:
        """Let the jobs wait again that an earlier process was working on, unless that happened too often."""
        with writing(self._engine) as session:
            for row in session.scalars(select(JobRow).where(JobRow.state == RUNNING)):
                if row.attempts >= MAX_ATTEMPTS:
                    row.state, row.error, row.finished, row.eta_s = FAILED, INTERRUPTED_TOO_OFTEN, time.time(), None
                else:
                    _queue_again(row)

    def forget(self, client: str) -> None:
        """Remove the jobs of a client that is no more."""
        with writing(self._engine) as session:
            session.execute(delete(JobRow).where(JobRow.client == client))


def _row(session: Session, job: str) -> JobRow | None:
    return session.scalars(select(JobRow).where(JobRow.job == job)).one_or_none()


def _queue_again(row: JobRow) -> None:
    row.state, row.started, row.progress, row.step, row.eta_s = QUEUED, None, 0.0, "", None


def _drop_oldest_finished(session: Session, client: str) -> None:
    finished = select(JobRow.number).where(JobRow.client == client, JobRow.state.not_in(ACTIVE))
    surplus = finished.order_by(JobRow.number.desc()).offset(MAX_FINISHED_PER_CLIENT)
    session.execute(delete(JobRow).where(JobRow.number.in_(surplus)))
