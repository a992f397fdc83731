"""The database that lets clients, rasters and jobs survive a restart: SQLite or PostgreSQL, read and written alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, BigInteger, Connection, Dialect, Engine, Integer, String, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from server.errors import BadParameter

# Long enough for any transaction of this service, all of which are short.
BUSY_TIMEOUT_S = 30
# One connection for each thread that answers requests, works on jobs or cleans, so that none waits for another.
SQLITE_CONNECTIONS = 64
# A server allows 100 connections of all processes by default, and a request needs one for some milliseconds.
IDLE_CONNECTIONS, MOST_CONNECTIONS = 4, 20
CONNECT_TIMEOUT_S = 5
# A process that vanished inside a transaction must not keep the write lock.
IDLE_TRANSACTION_S = 60
# After this long a silent server counts as gone.
SILENCE_S = 20
CONNECTION: dict[str, str | int] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": SILENCE_S // 2,
    "keepalives_interval": SILENCE_S // 10,
    "keepalives_count": 5,
    "tcp_user_timeout": SILENCE_S * 1000,
    "options": f"-c lock_timeout={BUSY_TIMEOUT_S}s -c idle_in_transaction_session_timeout={IDLE_TRANSACTION_S}s",
}
POSTGRESQL = "postgresql+psycopg"
# Any number will do that other programs in the same database do not use.
WRITE_LOCK = 0x5345_474D
WRITES = "segment_anything_rs_writes"


class StoredText(TypeDecorator[str]):
    """Text without NUL, which PostgreSQL cannot store: who asks for a name with one finds nothing."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """Return what is sent to the database."""
        return None if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


class Base(DeclarativeBase):
    """Base of all tables; each package declares its own. Integers have 64 bits everywhere, as they do in SQLite."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's
        int: BigInteger().with_variant(Integer(), "sqlite"),
        str: StoredText(),
    }


def open_database(place: Path | str) -> Engine:
    """Open a database with the tables of every imported module, made where they are absent.

    Args:
        place: a SQLite file, made with its folder if absent; or the URL of a PostgreSQL database, such as
            "postgresql+psycopg://user@host/name".

    Raises:
        BadParameter: the URL is none, its driver is not installed, or the server does not let us in.
    """
    if isinstance(place, Path):
        place.parent.mkdir(parents=True, exist_ok=True)
        engine = _open_sqlite(URL.create("sqlite", database=str(place)))
        _create_tables(engine)
        return engine
    url = read_url(place)
    try:
        engine = _open_postgresql(url)
        _create_tables(engine)
    except ImportError as error:
        raise BadParameter(
            'The setting "database" names PostgreSQL, but its driver is not installed. '
            "Run: pip install -r requirements-cluster.txt",
            "database",
        ) from error
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise BadParameter(
            f"The database {url.render_as_string()} cannot be used: {reason} "
            'Check that it runs, that it exists, and the setting "database".',
            "database",
        ) from error
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Give a session that sees one state of the database and changes nothing."""
    # In SQLite every transaction does.
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if _is_postgresql(engine) else {}
    with Session(engine.execution_options(**options)) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Give a session that holds the write lock from its start and commits unless an error leaves it.

    What is read in it stays true until it is written, so read-then-write needs no other lock. SQLite has that lock.
    In PostgreSQL it is an advisory one, let go with the transaction, and each statement after it sees what earlier
    holders committed. Serializable transactions would promise the same, but fail at any statement and ask to be
    repeated; these transactions also move files, which cannot be repeated, and are too short to miss parallel writing.
    """
    with Session(engine.execution_options(**{WRITES: True})) as session, session.begin():
        yield session


def read_url(text: str) -> URL:
    """Return the URL of a PostgreSQL database; "postgresql://…" means the driver that is installed here.

    Raises:
        BadParameter: it is none.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise BadParameter(
            'The setting "database" is no URL; expected one such as "postgresql+psycopg://user@host:5432/name".',
            "database",
        ) from error
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername=POSTGRESQL)
    if url.drivername != POSTGRESQL:
        raise BadParameter(
            f'The setting "database" begins with "{url.drivername}://"; expected "{POSTGRESQL}://", or an empty string '
            "for a SQLite file in the cache folder.",
            "database",
        )
    return url


def _create_tables(engine: Engine) -> None:
    # Under the lock, because several processes may start at once.
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        Base.metadata.create_all(connection)


def _is_postgresql(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"


def _open_sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_S},
        pool_size=SQLITE_CONNECTIONS // 2,
        max_overflow=SQLITE_CONNECTIONS // 2,
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_postgresql(url: URL) -> Engine:
    engine = create_engine(
        url,
        # What the operator's URL says comes first.
        connect_args={name: value for name, value in CONNECTION.items() if name not in url.query},
        pool_size=IDLE_CONNECTIONS,
        max_overflow=MOST_CONNECTIONS - IDLE_CONNECTIONS,
        # A server that was restarted meanwhile costs one look and no request.
        pool_pre_ping=True,
    )
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    # The driver would start transactions by itself, but only before the first write; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {'IMMEDIATE' if connection.get_execution_options().get(WRITES) else 'DEFERRED'}")


def _begin_postgresql(connection: Connection) -> None:
    # The driver begins the transaction with the first statement, which this one is.
    if connection.get_execution_options().get(WRITES):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")
