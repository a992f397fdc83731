"""The clients this server has met: random ids, when they were last here, and a folder for each."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, and_, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from server.clients.recent import Recent
from server.database import Base, reading, writing

CLIENTS = "clients"
TRASH = "trash"
# A page asks several times a second; writing down each visit would keep the disk busy for nothing.
TOUCH_INTERVAL_S = 60.0
ISSUED_ID = re.compile(r"[0-9a-f]{32}")


class ClientRow(Base):
    """One client; times are seconds since 1970."""

    __tablename__ = "clients"

    id: Mapped[str] = mapped_column(primary_key=True)
    is_human: Mapped[bool]
    created: Mapped[float]
    last_seen: Mapped[float]


@dataclass(frozen=True)
class Client:
    """A client as it was when it was looked up.

    Attributes:
        id: what the server issued: 32 hexadecimal digits, or "token-…" for a program.
        created: seconds since 1970.
        last_seen: seconds since 1970, exact to a minute.
        folder: holds everything of this client; it may not exist yet.
    """

    id: str
    is_human: bool
    created: float
    last_seen: float
    folder: Path


class ClientStore:
    """Issues, finds and deletes clients."""

    def __init__(
        self, engine: Engine, cache_folder: Path, *, clock: Callable[[], float] = time.time, is_alone: bool = False
    ) -> None:
        """Keep what the store needs; `is_alone` tells that no other store writes to this database."""
        self._engine = engine
        self._recent = Recent[Client | None](is_used=is_alone)
        self._folder = cache_folder / CLIENTS
        self._trash = cache_folder / TRASH
        self._clock = clock

    def issue(self) -> Client:
        """Make a new client that has not passed the human check."""
        return self._insert(uuid.uuid4().hex, is_human=False)

    def find(self, uuid: str | None) -> Client | None:
        """Return the client with this cookie and note its visit.

        Args:
            uuid: whatever a browser sent; anything but an id of `issue`, a program's id included, finds nothing.
        """
        if uuid is None or not ISSUED_ID.fullmatch(uuid):
            return None
        client = self._recent.look_up(uuid, "", lambda: self.get(uuid))
        return None if client is None else self._touch(client)

    def get(self, client_id: str) -> Client | None:
        """Return the client or program with this id, without noting a visit."""
        with reading(self._engine) as session:
            row = session.get(ClientRow, client_id)
            return None if row is None else self._client(row)

    def token_client(self, token: str) -> Client:
        """Return the program that holds `token`: always the same client, and human."""
        client_id = "token-" + hashlib.sha256(token.encode()).hexdigest()[:32]
        client = self._recent.look_up(client_id, "", lambda: self.get(client_id))
        seen = None if client is None else self._touch(client)
        return seen or self._insert(client_id, is_human=True)

    def mark_human(self, client_id: str) -> None:
        """Remember that the client passed the human check."""
        with writing(self._engine) as session:
            row = session.get(ClientRow, client_id)
            if row is not None:
                row.is_human = True
        self._recent.forget(client_id)

    def expired(self, now: float, *, client_lifetime_s: float, visitor_lifetime_s: float) -> list[Client]:
        """Return the clients not seen for their lifetime.

        Args:
            now: seconds since 1970.
            client_lifetime_s: for those who passed the human check.
            visitor_lifetime_s: for those who did not.
        """
        # `last_seen` lags by up to the touch interval, and nobody who is here may be taken for gone.
        horizon = now - TOUCH_INTERVAL_S
        gone = or_(
            and_(ClientRow.is_human, ClientRow.last_seen < horizon - client_lifetime_s),
            and_(~ClientRow.is_human, ClientRow.last_seen < horizon - visitor_lifetime_s),
        )
        with reading(self._engine) as session:
            return [self._client(row) for row in session.scalars(select(ClientRow).where(gone))]

    def delete(self, client_id: str, *, unseen_since: float | None = None) -> bool:
        """Delete a client with all its rows and files.

        Args:
            client_id: the client.
            unseen_since: keep a client that was seen after this time, seconds since 1970; None deletes any.

        Returns:
            Whether it was there and has been deleted.
        """
        with writing(self._engine) as session:
            row = session.get(ClientRow, client_id)
            if row is None or (unseen_since is not None and row.last_seen > unseen_since):
                return False
            session.delete(row)
            folder = self._client(row).folder
        self._recent.forget(client_id)
        throw_away(folder, self._trash)
        return True

    def _insert(self, client_id: str, *, is_human: bool) -> Client:
        now = self._clock()
        with writing(self._engine) as session:
            row = session.get(ClientRow, client_id)  # two requests may bring the same new token at once
            if row is None:
                row = ClientRow(id=client_id, is_human=is_human, created=now, last_seen=now)
                session.add(row)
            client = self._client(row)
        self._recent.forget(client_id)
        client.folder.mkdir(parents=True, exist_ok=True)
        return client

    def _touch(self, client: Client) -> Client | None:
        now = self._clock()
        if now - client.last_seen < TOUCH_INTERVAL_S:
            return client
        with writing(self._engine) as session:
            row = session.get(ClientRow, client.id)
            if row is None:
                return None
            row.last_seen = now
            seen = self._client(row)
        self._recent.forget(client.id)
        return seen

    def _client(self, row: ClientRow) -> Client:
        return Client(row.id, row.is_human, row.created, row.last_seen, self._folder / row.id)


def throw_away(folder: Path, trash: Path) -> None:
    """Remove a folder so that it is gone at once, even if removing its files takes long or is interrupted."""
    trash.mkdir(parents=True, exist_ok=True)
    target = trash / f"{folder.name}-{uuid.uuid4().hex}"
    try:
        folder.rename(target)
    except FileNotFoundError:
        return
    shutil.rmtree(target, ignore_errors=True)
