"""Which worker is at which job and at which windows of it; a claim counts as long as its worker is alive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import ColumnElement, Engine, ForeignKey, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from server.database import Base, reading, writing
from server.jobs.records import RUNNING, JobRow
from server.jobs.workers import WorkerRow, select_living


class JobClaimRow(Base):
    """The worker of a running job; `work` names the windows that others may help with, empty for none."""

    __tablename__ = "job_claims"

    job: Mapped[str] = mapped_column(ForeignKey("jobs.job", ondelete="CASCADE"), primary_key=True)
    worker: Mapped[str]
    is_cancelled: Mapped[bool] = mapped_column(default=False)
    work: Mapped[str] = mapped_column(default="")
    n_windows: Mapped[int] = mapped_column(default=0)


class WindowClaimRow(Base):
    """A window that a worker looks at just now."""

    __tablename__ = "window_claims"

    job: Mapped[str] = mapped_column(ForeignKey("jobs.job", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    worker: Mapped[str]


@dataclass(frozen=True)
class OpenWork:
    """Windows of a running job that any worker may look at.

    Attributes:
        job: id of the job.
        work: what the windows are looked at for; who finds another name for it must leave them alone.
        n_windows: how many there are.
    """

    job: str
    work: str
    n_windows: int


class WindowClaims:
    """Shares the windows of running jobs out."""

    def __init__(self, engine: Engine, worker: str) -> None:
        """Share out for one worker process, `worker`."""
        self._engine = engine
        self._worker = worker

    def offer(self, work: OpenWork) -> None:
        """Let others help with a job that this worker is at."""
        with writing(self._engine) as session:
            row = session.get(JobClaimRow, work.job)
            if row is not None and row.worker == self._worker:
                row.work, row.n_windows = work.work, work.n_windows

    def close(self, job: str) -> None:
        """Let nobody help any more."""
        with writing(self._engine) as session:
            row = session.get(JobClaimRow, job)
            if row is not None and row.worker == self._worker:
                row.work = ""
                session.execute(delete(WindowClaimRow).where(WindowClaimRow.job == job))

    def find_open(self, job: str | None = None) -> list[OpenWork]:
        """Return what there is to help with, of one job or of all, oldest first."""
        query = select(JobClaimRow).join(JobRow, JobRow.job == JobClaimRow.job).order_by(JobRow.number)
        query = query.where(JobRow.state == RUNNING, JobClaimRow.work != "", JobClaimRow.is_cancelled.is_(False))
        if job is not None:
            query = query.where(JobClaimRow.job == job)
        with reading(self._engine) as session:
            return [OpenWork(row.job, row.work, row.n_windows) for row in session.scalars(query)]

    def take(self, job: str, numbers: Iterable[int], n_most: int) -> list[int]:
        """Claim windows that no living worker is at; earlier ones of this worker are given back.

        Args:
            job: id of the job.
            numbers: windows that are not finished, the preferred ones first.
            n_most: how many at most.
        """
        with writing(self._engine) as session:
            of_job = WindowClaimRow.job == job
            session.execute(delete(WindowClaimRow).where(of_job, WindowClaimRow.worker == self._worker))
            living = select(WorkerRow.worker).where(select_living(session))
            claimed = select(WindowClaimRow.number).where(of_job, WindowClaimRow.worker.in_(living))
            busy = set(session.scalars(claimed))
            chosen = list(islice((number for number in numbers if number not in busy), n_most))
            if chosen and session.scalar(select(JobRow.state).where(JobRow.job == job)) == RUNNING:
                for number in chosen:
                    session.merge(WindowClaimRow(job=job, number=number, worker=self._worker))
                return chosen
            return []


def select_unclaimed(session: Session) -> ColumnElement[bool]:
    """Return the condition on `JobRow` that no living worker has claimed the job."""
    living = select(WorkerRow.worker).where(select_living(session))
    return JobRow.job.not_in(select(JobClaimRow.job).where(JobClaimRow.worker.in_(living)))


def claim(session: Session, job: str, worker: str) -> None:
    """Give a job to a worker, whoever had it before."""
    release(session, job)
    session.add(JobClaimRow(job=job, worker=worker))


def release(session: Session, job: str) -> None:
    """Let nobody have a job or any of its windows."""
    session.execute(delete(WindowClaimRow).where(WindowClaimRow.job == job))
    session.execute(delete(JobClaimRow).where(JobClaimRow.job == job))


def find_claim(session: Session, job: str) -> JobClaimRow | None:
    """Return the claim on a job, of whatever worker, dead or alive."""
    return session.get(JobClaimRow, job)
