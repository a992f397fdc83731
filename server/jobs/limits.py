"""How many jobs there may be, of one client and of all together, so that nobody fills the queue or the database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from server.errors import TooFrequent
from server.jobs.records import ACTIVE, QUEUED, JobRow

RETRY_AFTER_S = 10.0


@dataclass(frozen=True)
class QueueLimits:
    """How many jobs there may be.

    Attributes:
        per_client: of one client, waiting or running.
        waiting: of all clients, waiting.
    """

    per_client: int
    waiting: int


DEFAULT_LIMITS = QueueLimits(20, 1000)


def check_room(session: Session, client: str, limits: QueueLimits) -> None:
    """Make sure that the queue has room for another job of a client.

    Raises:
        TooFrequent: it has not.
    """
    of_client = (JobRow.client == client) & JobRow.state.in_(ACTIVE)
    n_active = session.scalar(select(func.count()).select_from(JobRow).where(of_client)) or 0
    if n_active >= limits.per_client:
        raise TooFrequent(
            f"You have {n_active} jobs waiting or running; at most {limits.per_client} are allowed. "
            "Wait until one has finished, or cancel one.",
            RETRY_AFTER_S,
        )
    n_waiting = session.scalar(select(func.count()).select_from(JobRow).where(JobRow.state == QUEUED)) or 0
    if n_waiting >= limits.waiting:
        raise TooFrequent(
            f"{n_waiting} jobs of all visitors wait already, which is as many as this server takes. Try again later.",
            RETRY_AFTER_S,
        )
