"""Side files that came before their raster, kept until it comes."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from sqlalchemy import Engine, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from server.clients.names import clean_file_name
from server.clients.sessions import Client
from server.database import Base, writing

PENDING = "pending"


class PendingRow(Base):
    """One side file without a raster; `stem` is what it shares with its raster, case folded."""

    __tablename__ = "pending_side_files"
    __table_args__ = (Index("pending_of_client", "client_id", "stem"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    name: Mapped[str]
    stem: Mapped[str]
    file_name: Mapped[str]


class PendingSideFiles:
    """Keeps side files in their client's folder, under random names."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, client: Client, name: str, stem: str, staged: Path) -> None:
        """Keep a side file; an earlier one of the same name is replaced.

        Args:
            client: whose file it is.
            name: as sent by the client.
            stem: what its raster's name will have in common with it.
            staged: the complete file; it is moved away.

        Raises:
            BadParameter: `name` is no file name.
        """
        name = clean_file_name(name)
        folder = client.folder / PENDING
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / uuid.uuid4().hex
        shutil.move(staged, target)
        os.utime(target)  # its age counts from now, whatever the client's file said
        mine = select(PendingRow).where(PendingRow.client_id == client.id, PendingRow.name == name)
        with writing(self._engine) as session:
            earlier = session.scalars(mine).all()
            for row in earlier:
                session.delete(row)
            session.add(PendingRow(client_id=client.id, name=name, stem=stem.casefold(), file_name=target.name))
            surplus = [folder / row.file_name for row in earlier]
        for path in surplus:
            path.unlink(missing_ok=True)

    def take(self, client: Client, stem: str) -> list[tuple[str, Path]]:
        """Return (name, file) of those that belong to a raster of this stem; from now on the files are the caller's.

        Args:
            client: whose files.
            stem: of the raster's name, in any case.
        """
        query = select(PendingRow).where(PendingRow.client_id == client.id, PendingRow.stem == stem.casefold())
        with writing(self._engine) as session:
            rows = session.scalars(query.order_by(PendingRow.number)).all()
            for row in rows:
                session.delete(row)
            found = [(row.name, client.folder / PENDING / row.file_name) for row in rows]
        # Cleaning removes files that waited too long without asking the database.
        return [(name, path) for name, path in found if path.exists()]
