"""Links that show one job's result to whoever has them: random, told once, kept as digests, and short-lived."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, ForeignKey, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from server.database import Base, reading, writing
from server.errors import NoSuchJob
from server.jobs.records import JobRecord, JobRow, make_record

TOKEN_BYTES = 32
# More links to one job are of no use; the oldest goes.
MAX_LINKS_PER_JOB = 20


class ShareRow(Base):
    """One link; it goes with its job, and that with its client. Times are seconds since 1970."""

    __tablename__ = "shared_jobs"

    digest: Mapped[str] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(ForeignKey("jobs.job", ondelete="CASCADE"), index=True)
    created: Mapped[float]
    expires: Mapped[float]


@dataclass(frozen=True)
class Link:
    """A new link.

    Attributes:
        token: opens the result; nobody can be told it again.
        expires: seconds since 1970.
    """

    token: str
    expires: float


class ShareStore:
    """Makes, finds and withdraws links."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def share(self, job: str, lifetime_s: float) -> Link:
        """Return a new link to a job that is known to exist; links to it that have expired are forgotten."""
        now = self._clock()
        link = Link(secrets.token_urlsafe(TOKEN_BYTES), now + lifetime_s)
        with writing(self._engine) as session:
            session.execute(delete(ShareRow).where(ShareRow.expires <= now))
            session.add(ShareRow(digest=_digest(link.token), job=job, created=now, expires=link.expires))
            session.flush()
            _drop_oldest(session, job)
        return link

    def withdraw(self, job: str) -> int:
        """Make all links to a job useless and return how many there were."""
        with writing(self._engine) as session:
            rows = session.scalars(select(ShareRow).where(ShareRow.job == job, ShareRow.expires > self._clock())).all()
            session.execute(delete(ShareRow).where(ShareRow.job == job))
            return len(rows)

    def find(self, token: str) -> JobRecord:
        """Return the job that a link leads to.

        Raises:
            NoSuchJob: the link is unknown, has expired or was withdrawn; nobody is told which of these.
        """
        # The digest of what a stranger sent is looked up, so that the time it takes tells nothing about any token.
        shared = select(JobRow).join(ShareRow, ShareRow.job == JobRow.job)
        shared = shared.where(ShareRow.digest == _digest(token), ShareRow.expires > self._clock())
        with reading(self._engine) as session:
            row = session.scalars(shared).one_or_none()
            if row is None:
                raise NoSuchJob(
                    "This link leads nowhere: it is unknown, has expired or was withdrawn. Ask for a new one."
                )
            return make_record(row)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _drop_oldest(session: Session, job: str) -> None:
    links = select(ShareRow.digest).where(ShareRow.job == job)
    surplus = links.order_by(ShareRow.created.desc(), ShareRow.digest).offset(MAX_LINKS_PER_JOB)
    session.execute(delete(ShareRow).where(ShareRow.digest.in_(surplus)))
