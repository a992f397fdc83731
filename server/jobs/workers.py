"""Which worker processes are alive, by the clock of the database, so that hosts need not agree about the time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, Float, delete, literal_column, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from server.database import Base, reading, writing

# Long after its lease ran out nobody asks for a worker any more, nor wants to see it.
FORGET_AFTER_S = 3600.0


class WorkerRow(Base):
    """One worker process; times are seconds since 1970 by the database's clock, and its lease ends with `expires`."""

    __tablename__ = "workers"

    worker: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    device: Mapped[str]
    started: Mapped[float]
    last_seen: Mapped[float]
    expires: Mapped[float]
    doing: Mapped[str] = mapped_column(default="")


@dataclass(frozen=True)
class WorkerRecord:
    """A worker process as it was when it was looked up.

    Attributes:
        worker: its name, of one process only.
        host: name of its machine.
        device: "cpu" or "cuda".
        unseen_s: seconds since it last renewed its lease.
        is_alive: whether that lease still runs.
        doing: id of the job it works on, empty for none.
    """

    worker: str
    host: str
    device: str
    unseen_s: float
    is_alive: bool
    doing: str


class WorkerTable:
    """The worker processes of all hosts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def renew(self, worker: str, *, host: str, device: str, lease_s: float, doing: str = "") -> None:
        """Say that a worker is alive and stays so for `lease_s` seconds; a new name makes it known."""
        with writing(self._engine) as session:
            now = read_clock(session)
            values = {"host": host, "device": device, "last_seen": now, "expires": now + lease_s, "doing": doing}
            row = session.get(WorkerRow, worker)
            if row is None:
                session.add(WorkerRow(worker=worker, started=now, **values))
                session.execute(delete(WorkerRow).where(WorkerRow.expires < now - FORGET_AFTER_S))
            else:
                session.execute(update(WorkerRow).where(WorkerRow.worker == worker).values(**values))

    def leave(self, worker: str) -> None:
        """Say that a worker is no more."""
        with writing(self._engine) as session:
            session.execute(delete(WorkerRow).where(WorkerRow.worker == worker))

    def find_all(self) -> list[WorkerRecord]:
        """Return the workers seen lately, by host and name."""
        with reading(self._engine) as session:
            now = read_clock(session)
            rows = session.scalars(select(WorkerRow).order_by(WorkerRow.host, WorkerRow.worker))
            return [
                WorkerRecord(
                    row.worker, row.host, row.device, max(0.0, now - row.last_seen), row.expires > now, row.doing
                )
                for row in rows
            ]


def read_clock(session: Session) -> float:
    """Return the seconds since 1970 by the clock of the database."""
    return float(session.scalars(select(_clock(session))).one())


def select_living(session: Session) -> ColumnElement[bool]:
    """Return the condition on `WorkerRow` that its lease still runs."""
    return WorkerRow.expires > _clock(session)


def _clock(session: Session) -> ColumnElement[float]:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    text = "extract(epoch from clock_timestamp())" if is_postgresql else "(julianday('now') - 2440587.5) * 86400.0"
    return literal_column(text, Float)
