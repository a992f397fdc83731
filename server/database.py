"""The one SQLite file that lets clients, rasters and jobs survive a restart, and how it is read and written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Session

# Long enough for any transaction of this service, all of which are short.
BUSY_TIMEOUT_S = 30
# One connection for each thread that answers requests, works on jobs or cleans, so that none waits for another.
POOL_SIZE = 32
BEGIN_OPTION = "sqlite_begin"


class Base(DeclarativeBase):
    """Base of all tables; each package declares its own."""


def open_database(path: Path) -> Engine:
    """Open the database at `path`, made with its folder if absent, with the tables of every imported module."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_TIMEOUT_S},
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    Base.metadata.create_all(engine)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Give a session that sees one state of the database and changes nothing."""
    with Session(engine) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Give a session that holds the write lock from its start and commits unless an error leaves it.

    What is read in it stays true until it is written, so read-then-write needs no other lock.
    """
    with Session(engine.execution_options(**{BEGIN_OPTION: "IMMEDIATE"})) as session, session.begin():
        yield session


def database_folder(engine: Engine) -> Path:
    """Return the folder the database lies in; stored paths count from there, so that it may be moved."""
    return Path(str(engine.url.database)).parent


def _configure(connection: Any, _record: object) -> None:
    # The driver would start transactions by itself, but only before the first write; `_begin` does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(BEGIN_OPTION, 'DEFERRED')}")
