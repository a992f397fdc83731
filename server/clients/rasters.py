"""The rasters of each client: where their files are, and which result belongs to which."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Engine, ForeignKey, Index, Select, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from server.clients.names import clean_file_name
from server.clients.pending import PENDING, PendingSideFiles
from server.clients.quota import QuotaKeeper
from server.clients.recent import Recent
from server.clients.sessions import TRASH, Client, throw_away
from server.database import Base, reading, writing
from server.errors import NoSuchRaster

RASTERS = "rasters"
# Every result has a folder of its own, `result-1`, `result-2`, …; readers of the one before keep their files.
RESULT_PREFIX = "result-"


class RasterRow(Base):
    """One raster; `number` is the order of upload, `folder` counts from the cache folder, which may be moved."""

    __tablename__ = "rasters"
    __table_args__ = (Index("rasters_of_client", "client_id", "name", unique=True),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    name: Mapped[str]
    folder: Mapped[str]
    source_name: Mapped[str]
    uploaded: Mapped[str]
    size_bytes: Mapped[int]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    n_results: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True)
class RasterEntry:
    """A raster as it was when it was looked up.

    Attributes:
        id: random; the name of its folder.
        name: what its client calls it; never part of a path.
        folder: holds the raster, its side files and its results.
        source: the raster's file.
        uploaded: ISO 8601 in UTC.
        size_bytes: of the raster's file, without side files and results.
        result: summary of the latest result, or None.
        n_results: how many results it has had; the number of the latest one.
    """

    id: str
    name: str
    folder: Path
    source: Path
    uploaded: str
    size_bytes: int
    result: dict[str, Any] | None
    n_results: int = 0


class RasterStore:
    """Keeps rasters, their results and the side files that came before their raster."""

    def __init__(
        self,
        engine: Engine,
        cache_folder: Path,
        *,
        client_quota_bytes: int,
        is_alone: bool = False,
        tell_change: Callable[[str], None] | None = None,
    ) -> None:
        """Keep what the store needs.

        Args:
            engine: the database.
            cache_folder: where the files go.
            client_quota_bytes: room for all files of a client.
            is_alone: whether no other store writes to this database, or each one that does tells `forget` of it.
            tell_change: called with the id of a client after each change of its rows, before anything builds on it.
        """
        self._engine = engine
        self._recent = Recent[RasterEntry](is_used=is_alone, tell_change=tell_change)
        self._base = cache_folder
        self._quota = QuotaKeeper(engine, client_quota_bytes)
        self._pending = PendingSideFiles(engine)

    def reserve(self, client: Client, n_bytes: int) -> AbstractContextManager[None]:
        """Keep room for an upload; see `QuotaKeeper.reserve`."""
        return self._quota.reserve(client, n_bytes)

    def add(
        self, client: Client, name: str, staged: Path, suffix: str, examine: Callable[[Path], None] | None = None
    ) -> RasterEntry:
        """Move a raster in; it replaces the client's raster of the same name once it is in place.

        Args:
            client: whose raster it becomes.
            name: as sent by the client.
            staged: the complete file; it is moved away.
            suffix: of the stored file, with its dot.
            examine: called with the file once it has its final name, before anything is replaced; whatever it raises
                leaves everything as it was.

        Raises:
            BadParameter: `name` is no file name.
        """
        name = clean_file_name(name)
        raster_id = uuid.uuid4().hex
        # What a stopped process leaves there is cleaned away; only complete rasters get into `rasters`.
        draft = client.folder / PENDING / raster_id
        draft.mkdir(parents=True)
        try:
            source = Path(shutil.move(staged, draft / f"source{suffix}"))
            if examine is not None:
                examine(source)
            row = RasterRow(
                id=raster_id,
                client_id=client.id,
                name=name,
                folder=os.path.relpath(client.folder / RASTERS / raster_id, self._base),
                source_name=source.name,
                uploaded=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                size_bytes=source.stat().st_size,
            )
            replaced, entry = self._insert(row, draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        if replaced is not None:
            throw_away(replaced, self._base / TRASH)
        return entry

    def find(self, client: Client, name: str | None) -> RasterEntry:
        """Return the client's raster of that name, the latest one for None.

        Raises:
            NoSuchRaster: there is none.
        """
        # A program that was deleted comes back under its old id, with nothing.
        return self._recent.look_up(client.id, (client.created, name), lambda: self._find(client, name))

    def _find(self, client: Client, name: str | None) -> RasterEntry:
        query = _latest_first(client.id)
        if name is not None:
            query = query.where(RasterRow.name == name)
        with reading(self._engine) as session:
            row = session.scalars(query.limit(1)).one_or_none()
            if row is not None:
                return self._entry(row)
        if name is None:
            raise NoSuchRaster("You have no raster here yet. Upload one first (POST /upload).", "raster")
        raise NoSuchRaster(
            f'You have no raster called "{name[:80]}". See GET /rasters for the names of yours.', "raster"
        )

    def get(self, client_id: str, raster_id: str) -> RasterEntry:
        """Return the raster of that id.

        Raises:
            NoSuchRaster: it has been deleted or replaced.
        """
        with reading(self._engine) as session:
            row = _require_row(session, raster_id)
            if row.client_id != client_id:
                raise NoSuchRaster("This raster belongs to another client.", "raster")
            return self._entry(row)

    def delete(self, client: Client, name: str) -> None:
        """Delete a raster, its side files and its results.

        Raises:
            NoSuchRaster: the client has none of that name.
        """
        entry = self.find(client, name)
        with writing(self._engine) as session:
            session.delete(_require_row(session, entry.id))
        self._recent.forget(client.id)
        throw_away(entry.folder, self._base / TRASH)

    def result_folder(self, entry: RasterEntry) -> Path:
        """Return the folder of the result `entry` tells of; it stays until the result after the next one."""
        return entry.folder / f"{RESULT_PREFIX}{entry.n_results}"

    def replace_result(self, entry: RasterEntry, staged_folder: Path, result: dict[str, Any]) -> None:
        """Make a finished folder the raster's result; whoever looked the raster up before still finds the older one.

        Args:
            entry: the raster.
            staged_folder: on the same disk; it is moved away.
            result: summary of it, JSON.

        Raises:
            NoSuchRaster: the raster has been deleted or replaced.
        """
        # `writing` is the lock: a raster that is found in it is not deleted before it ends.
        with writing(self._engine) as session:
            row = _require_row(session, entry.id)
            row.n_results += 1
            row.result = result
            n_results = row.n_results
            target = entry.folder / f"{RESULT_PREFIX}{n_results}"
            shutil.rmtree(target, ignore_errors=True)  # there only if the process ended right here before
            staged_folder.rename(target)
            client_id = row.client_id
        self._recent.forget(client_id)
        throw_away(entry.folder / f"{RESULT_PREFIX}{n_results - 2}", self._base / TRASH)

    def forget(self, client_id: str) -> None:
        """Look the client's rasters up anew, because another store has changed their rows."""
        self._recent.forget(client_id)

    def add_pending_side_file(self, client: Client, name: str, stem: str, staged: Path) -> None:
        """Keep a side file until its raster comes; see `PendingSideFiles.add`."""
        self._pending.add(client, name, stem, staged)

    def take_pending_side_files(self, client: Client, stem: str) -> Sequence[tuple[str, Path]]:
        """Return the side files waiting for a raster of this stem; see `PendingSideFiles.take`."""
        return self._pending.take(client, stem)

    def list(self, client: Client) -> Sequence[RasterEntry]:
        """Return the client's rasters, latest first."""
        with reading(self._engine) as session:
            return [self._entry(row) for row in session.scalars(_latest_first(client.id))]

    def _insert(self, row: RasterRow, draft: Path) -> tuple[Path | None, RasterEntry]:
        """Add a row in place of the one with its name; return that one's folder and the new entry."""
        folder, client_id = self._base / row.folder, row.client_id
        folder.parent.mkdir(parents=True, exist_ok=True)
        with writing(self._engine) as session:
            older = session.scalars(_latest_first(row.client_id).where(RasterRow.name == row.name)).one_or_none()
            replaced = None if older is None else self._base / older.folder
            if older is not None:
                session.delete(older)
                session.flush()
            session.add(row)
            session.flush()
            draft.rename(folder)
            entry = self._entry(row)
        self._recent.forget(client_id)
        return replaced, entry

    def _entry(self, row: RasterRow) -> RasterEntry:
        folder = self._base / row.folder
        source = folder / row.source_name
        return RasterEntry(row.id, row.name, folder, source, row.uploaded, row.size_bytes, row.result, row.n_results)


def _latest_first(client_id: str) -> Select[RasterRow]:
    return select(RasterRow).where(RasterRow.client_id == client_id).order_by(RasterRow.number.desc())


def _require_row(session: Session, raster_id: str) -> RasterRow:
    row = session.scalars(select(RasterRow).where(RasterRow.id == raster_id)).one_or_none()
    if row is None:
        raise NoSuchRaster("This raster has been deleted or replaced meanwhile. Upload it again.", "raster")
    return row
