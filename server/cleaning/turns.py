"""Which of several processes cleans next: a row says when a process last began, and it is too early for another."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base, writing

# Processes wake at any time within an interval; a fraction of it tells one round from the next.
ROUND_SHARE = 0.5


class CleaningTurnRow(Base):
    """One kind of cleaning; `began` is seconds since 1970."""

    __tablename__ = "cleaning_turns"

    kind: Mapped[str] = mapped_column(primary_key=True)
    began: Mapped[float]


def take_turn(engine: Engine, kind: str, now: float, interval_s: float) -> bool:
    """Tell whether the caller is to clean now, and remember that it does.

    Args:
        engine: the database that all processes share.
        kind: of cleaning.
        now: seconds since 1970.
        interval_s: between two rounds.
    """
    with writing(engine) as session:
        row = session.get(CleaningTurnRow, kind)
        if row is None:
            session.add(CleaningTurnRow(kind=kind, began=now))
            return True
        # A turn in the future is that of a clock that has been set back since.
        if 0 <= now - row.began < ROUND_SHARE * interval_s:
            return False
        row.began = now
        return True
