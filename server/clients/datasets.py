"""The datasets of each client: where their files are, what was asked for, and what came of it."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Engine, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from server.clients.names import clean_file_name
from server.clients.pending import PENDING
from server.clients.sessions import TRASH, Client, throw_away
from server.database import Base, reading, writing
from server.datasets.archives.places import DatasetPlaces
from server.errors import NoSuchDataset

DATASETS = "datasets"


class DatasetRow(Base):
    """One dataset; `number` is the order of upload, `folder` counts from the cache folder, which may be moved."""

    __tablename__ = "datasets"
    __table_args__ = (Index("datasets_of_client", "client_id", "number"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    name: Mapped[str]
    folder: Mapped[str]
    created: Mapped[str]
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    job: Mapped[str | None]
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset as it was when it was looked up.

    Attributes:
        id: random; the name of its folder.
        name: what its client called the archive; never part of a path.
        folder: holds everything of it.
        created: ISO 8601 in UTC.
        options: how masks are made; see `server.jobs.dataset_task`.
        job: id of the job that builds it; None between upload and job.
        summary: counts of the finished dataset, or None.
    """

    id: str
    name: str
    folder: Path
    created: str
    options: dict[str, Any]
    job: str | None
    summary: dict[str, Any] | None


class DatasetStore:
    """Keeps datasets from the upload of images and labels on; their space counts in the client's quota."""

    def __init__(self, engine: Engine, cache_folder: Path) -> None:
        self._engine = engine
        self._base = cache_folder

    def add(self, client: Client, name: str, staged: Path, options: dict[str, Any]) -> DatasetEntry:
        """Move an archive in.

        Args:
            client: whose dataset it becomes.
            name: as sent by the client.
            staged: the complete archive; it is moved away.
            options: how masks are to be made, JSON.

        Raises:
            BadParameter: `name` is no file name.
        """
        name = clean_file_name(name)
        dataset_id = uuid.uuid4().hex
        folder = client.folder / DATASETS / dataset_id
        # What a stopped process leaves there is cleaned away; only complete archives get into `datasets`.
        draft = client.folder / PENDING / dataset_id
        draft.mkdir(parents=True)
        try:
            shutil.move(staged, DatasetPlaces(draft).archive)
            folder.parent.mkdir(parents=True, exist_ok=True)
            row = DatasetRow(
                id=dataset_id,
                client_id=client.id,
                name=name,
                folder=os.path.relpath(folder, self._base),
                created=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                options=options,
            )
            with writing(self._engine) as session:
                session.add(row)
                session.flush()
                draft.rename(folder)
                return self._entry(row)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def get(self, client_id: str, dataset_id: str) -> DatasetEntry:
        """Return a dataset of this client.

        Raises:
            NoSuchDataset: the client has none of this id.
        """
        with reading(self._engine) as session:
            return self._entry(_require_row(session, client_id, dataset_id))

    def list(self, client: Client) -> Sequence[DatasetEntry]:
        """Return the client's datasets, latest first."""
        query = select(DatasetRow).where(DatasetRow.client_id == client.id).order_by(DatasetRow.number.desc())
        with reading(self._engine) as session:
            return [self._entry(row) for row in session.scalars(query)]

    def note_job(self, client_id: str, dataset_id: str, job: str) -> None:
        """Remember which job builds a dataset.

        Raises:
            NoSuchDataset: it has been deleted.
        """
        with writing(self._engine) as session:
            _require_row(session, client_id, dataset_id).job = job

    def finish(self, client_id: str, dataset_id: str, summary: dict[str, Any]) -> None:
        """Remember what came of a dataset; from then on it can be reviewed and downloaded.

        Raises:
            NoSuchDataset: it has been deleted.
        """
        with writing(self._engine) as session:
            _require_row(session, client_id, dataset_id).summary = summary

    def delete(self, client_id: str, dataset_id: str) -> None:
        """Delete a dataset with all its files; no job may be at work on it.

        Raises:
            NoSuchDataset: the client has none of this id.
        """
        with writing(self._engine) as session:
            row = _require_row(session, client_id, dataset_id)
            session.delete(row)
            folder = self._base / row.folder
        throw_away(folder, self._base / TRASH)

    def _entry(self, row: DatasetRow) -> DatasetEntry:
        return DatasetEntry(row.id, row.name, self._base / row.folder, row.created, row.options, row.job, row.summary)


def _require_row(session: Session, client_id: str, dataset_id: str) -> DatasetRow:
    row = session.scalars(select(DatasetRow).where(DatasetRow.id == dataset_id)).one_or_none()
    if row is None or row.client_id != client_id:
        raise NoSuchDataset(
            f'No dataset of yours has the id "{dataset_id[:80]}". See GET /datasets for the ids of your datasets.',
            "dataset",
        )
    return row
