"""Looking jobs up in their table; each function sees one state of it and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from server.database import reading
from server.errors import NoSuchJob
from server.jobs.history import read_lines
from server.jobs.records import ACTIVE, FAILED, QUEUED, RUNNING, JobRecord, JobRow, make_record

# Failures that are not the request's fault: what such a job has finished waits for another attempt.
RETRIED_CODES = ("internal_error", "storage_full", "unavailable")


class JobLookups:
    """The jobs of all clients, to look at."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_log(self, client: str, job: str) -> list[dict[str, Any]]:
        """Return what happened to a job, oldest first: `time` in seconds since 1970, and `text`.

        Raises:
            NoSuchJob: see `find`.
        """
        with reading(self._engine) as session:
            return read_lines(session, require_row(session, client, job).job)

    def find(self, client: str, job: str) -> JobRecord:
        """Return a job of this client.

        Raises:
            NoSuchJob: the client has none of this id, whoever else may have.
        """
        with reading(self._engine) as session:
            return make_record(require_row(session, client, job))

    def get(self, job: str) -> JobRecord | None:
        """Return any client's job."""
        with reading(self._engine) as session:
            row = find_row(session, job)
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


def is_worth_retrying(error: Mapping[str, Any] | None) -> bool:
    """Tell whether a job that failed like this may succeed as it is."""
    return error is not None and error["code"] in RETRIED_CODES


def require_row(session: Session, client: str, job: str) -> JobRow:
    """Return a job of this client.

    Raises:
        NoSuchJob: the client has none of this id.
    """
    row = find_row(session, job)
    if row is None or row.client != client:
        raise NoSuchJob(f'No job of yours has the id "{job[:80]}". See GET /jobs for the ids of your jobs.')
    return row


def find_row(session: Session, job: str) -> JobRow | None:
    """Return any client's job, None where there is none of this id."""
    return session.scalars(select(JobRow).where(JobRow.job == job)).one_or_none()
