"""How much of its space a client uses, files still on their way in included, whichever process takes them in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from server.clients.sessions import Client
from server.database import Base, reading, writing
from server.errors import QuotaExceeded

# Room that a process kept which is no more is free again after this time; few uploads take longer.
RESERVED_S = 3600.0


class ReservationRow(Base):
    """Room for one file on its way in; `number` is the order of asking, `expires` is seconds since 1970."""

    __tablename__ = "reserved_space"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    client_id: Mapped[str] = mapped_column(index=True)
    n_bytes: Mapped[int]
    expires: Mapped[float]


class QuotaKeeper:
    """Lets uploads in as long as all files of a client, present and coming, fit into its quota."""

    def __init__(self, engine: Engine, client_quota_bytes: int, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._quota_bytes = client_quota_bytes
        self._clock = clock

    @contextmanager
    def reserve(self, client: Client, n_bytes: int) -> Iterator[None]:
        """Keep `n_bytes` free for `client` while the block runs.

        Raises:
            QuotaExceeded: they are not free.
        """
        number = self._insert(client.id, n_bytes)
        try:
            # Of uploads at once the later ones make room for the earlier ones, so that not all of them are refused.
            # Reservations before files: what arrives between the two is counted twice, never not at all.
            used = self._sum_earlier(client.id, number) + folder_size_bytes(client.folder)
            if used + n_bytes > self._quota_bytes:
                raise QuotaExceeded(
                    f"Your files take {used:,} bytes and this one {n_bytes:,}; the limit is {self._quota_bytes:,} "
                    "bytes for all of them. Delete a raster you no longer need, then try again."
                )
            yield
        finally:
            with suppress(SQLAlchemyError):  # what was taken in stays in; the room is free again when its time is up
                self._remove(number)

    def _insert(self, client_id: str, n_bytes: int) -> int:
        now = self._clock()
        row = ReservationRow(client_id=client_id, n_bytes=n_bytes, expires=now + RESERVED_S)
        with writing(self._engine) as session:
            session.execute(delete(ReservationRow).where(ReservationRow.expires < now))
            session.add(row)
            session.flush()
            return row.number

    def _sum_earlier(self, client_id: str, number: int) -> int:
        earlier = (ReservationRow.client_id == client_id) & (ReservationRow.number < number)
        query = select(func.coalesce(func.sum(ReservationRow.n_bytes), 0)).where(earlier)
        with reading(self._engine) as session:
            return int(session.scalar(query) or 0)

    def _remove(self, number: int) -> None:
        with writing(self._engine) as session:
            session.execute(delete(ReservationRow).where(ReservationRow.number == number))


def folder_size_bytes(folder: Path) -> int:
    """Return the size of all files below `folder`; what vanishes meanwhile counts nothing."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += folder_size_bytes(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return total
    return total
