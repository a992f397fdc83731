"""Whose turn it is: clients take turns whoever works, so the turns stand in the database and not in a process."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from server.database import Base
from server.jobs.records import QUEUED, JobRow

# Kinds whose jobs take seconds to minutes, for people who wait: they come before their client's whole rasters.
QUICK_KINDS = ("prompts", "similar")


class TurnRow(Base):
    """The latest turn of a client: a number that grows with each turn of anybody; who has no row comes first."""

    __tablename__ = "client_turns"

    client: Mapped[str] = mapped_column(primary_key=True)
    turn: Mapped[int] = mapped_column(index=True)


def choose_next(session: Session, kinds: Collection[str]) -> JobRow | None:
    """Return a waiting job of the client whose turn it is, quick ones first, then the oldest; None where none waits.

    Args:
        session: of a writing transaction, in which the turn is noted.
        kinds: kinds of jobs that can be worked on.
    """
    condition = (JobRow.state == QUEUED) & JobRow.kind.in_(kinds)
    is_slow = JobRow.kind.not_in(QUICK_KINDS)
    oldest = select(JobRow.client, is_slow, func.min(JobRow.number)).where(condition)
    candidates = session.execute(oldest.group_by(JobRow.client, is_slow)).all()
    if not candidates:
        return None
    clients = {owner for owner, _, _ in candidates}
    turns: dict[str, int] = {
        row.client: row.turn for row in session.scalars(select(TurnRow).where(TurnRow.client.in_(clients)))
    }
    client = min(candidates, key=lambda item: (turns.get(item[0], 0), item[2]))[0]
    _, number = min((slow, number) for owner, slow, number in candidates if owner == client)
    session.merge(TurnRow(client=client, turn=(session.scalar(select(func.max(TurnRow.turn))) or 0) + 1))
    return session.get_one(JobRow, number)
