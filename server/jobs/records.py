"""What is known about a job: the row that survives a restart, and the unchanging record everyone else sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
ACTIVE = (QUEUED, RUNNING)


class JobRow(Base):
    """One job; times are seconds since 1970, `number` is the order of submission."""

    __tablename__ = "jobs"
    __table_args__ = (Index("jobs_of_client", "client", "number"), Index("jobs_of_state", "state", "number"))

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    job: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    client: Mapped[str]
    raster: Mapped[str | None]
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str]
    progress: Mapped[float] = mapped_column(default=0.0)
    step: Mapped[str] = mapped_column(default="")
    created: Mapped[float]
    started: Mapped[float | None]
    finished: Mapped[float | None]
    eta_s: Mapped[float | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    attempts: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True)
class JobRecord:
    """A job as it was when it was looked up.

    Attributes:
        job: random id.
        kind: which task works on it.
        client: id of the client it belongs to.
        raster: name of the client's raster it is about, or None.
        request: what the task needs, JSON.
        state: "queued", "running", "done", "failed" or "cancelled".
        progress: 0 to 1.
        step: what it is doing, in words.
        created: seconds since 1970; `started` and `finished` likewise, None before that happens.
        eta_s: estimated seconds until it is done, None while unknown.
        error: code, message and field of a failed job.
        result: what the task returned, once done.
        attempts: how often it was begun.
    """

    job: str
    kind: str
    client: str
    raster: str | None
    request: dict[str, Any]
    state: str
    progress: float
    step: str
    created: float
    started: float | None
    finished: float | None
    eta_s: float | None
    error: dict[str, str | None] | None
    result: dict[str, Any] | None
    attempts: int

    @property
    def is_active(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in ACTIVE

    def to_json(self) -> dict[str, Any]:
        """Return what clients are told; times are ISO 8601 in UTC."""
        return {
            "job": self.job,
            "kind": self.kind,
            "raster": self.raster,
            "state": self.state,
            "progress": self.progress,
            "step": self.step,
            "created": format_time(self.created),
            "started": format_time(self.started),
            "finished": format_time(self.finished),
            "eta_s": self.eta_s,
            "error": self.error
            and {"error": self.error["code"], "message": self.error["message"], "field": self.error["field"]},
            "result": self.result,
            "attempts": self.attempts,
        }


def make_record(row: JobRow) -> JobRecord:
    """Return the record of a row."""
    return JobRecord(
        job=row.job,
        kind=row.kind,
        client=row.client,
        raster=row.raster,
        request=row.request,
        state=row.state,
        progress=row.progress,
        step=row.step,
        created=row.created,
        started=row.started,
        finished=row.finished,
        eta_s=row.eta_s,
        error=row.error,
        result=row.result,
        attempts=row.attempts,
    )


def format_time(seconds: float | None) -> str | None:
    """Return seconds since 1970 as clients are told times: ISO 8601 in UTC, None for None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
