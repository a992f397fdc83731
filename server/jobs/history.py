"""What happened to a job so far: dated lines for whoever asks, and whether its attempts get anywhere."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from server.database import Base
from server.jobs.records import JobRow

# The latest lines are kept; a job that is interrupted again and again must not grow without end.
MAX_LINES = 100
MAX_LINE_LENGTH = 300


class HistoryRow(Base):
    """The past of one job, a row of its own because jobs of earlier versions have none.

    `n_finished` counts the parts of the job that outlived its last interruption, `n_futile` the interruptions in a row
    before which no part was finished.
    """

    __tablename__ = "job_histories"

    job: Mapped[str] = mapped_column(ForeignKey("jobs.job", ondelete="CASCADE"), primary_key=True)
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    n_finished: Mapped[int] = mapped_column(default=0)
    n_futile: Mapped[int] = mapped_column(default=0)


def read_lines(session: Session, job: str) -> list[dict[str, Any]]:
    """Return the lines of a job, oldest first: `time` in seconds since 1970, and `text`."""
    row = session.get(HistoryRow, job)
    return [] if row is None else row.lines


def add_line(session: Session, job: JobRow, text: str) -> None:
    """Note what has just happened to a job."""
    row = _row(session, job.job)
    row.lines = [*row.lines, {"time": time.time(), "text": text[:MAX_LINE_LENGTH]}][-MAX_LINES:]


def count_interruption(session: Session, job: JobRow, n_finished: int) -> int:
    """Note that the process ended during a job; return how often in a row that happened before a part was finished.

    Args:
        session: of the transaction.
        job: the job.
        n_finished: parts of it that need not be done again.
    """
    row = _row(session, job.job)
    row.n_futile = 0 if n_finished > row.n_finished else row.n_futile + 1
    row.n_finished = n_finished
    return row.n_futile


def begin_anew(session: Session, job: JobRow) -> None:
    """Forget earlier interruptions: someone asked for another attempt."""
    _row(session, job.job).n_futile = 0


def _row(session: Session, job: str) -> HistoryRow:
    row = session.get(HistoryRow, job)
    if row is None:
        row = HistoryRow(job=job, lines=[], n_finished=0, n_futile=0)
        session.add(row)
    return row
