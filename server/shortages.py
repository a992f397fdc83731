"""What a machine can run out of, as sentences: for requests and jobs alike, whoever raised it."""

from __future__ import annotations

import errno

from sqlalchemy.exc import DBAPIError, OperationalError

from server.errors import StorageFull, Unavailable, UserError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
READ_ONLY = frozenset({errno.EROFS})
# torch's error for GPUs is no MemoryError, and importing torch to name it would wake it.
GPU_ERROR = "OutOfMemoryError"
DATABASE_RETRY_S = 30.0
MEMORY_RETRY_S = 60.0
# SQLite's own words, which stand in whatever a library wraps them in.
FULL_DATABASE = "database or disk is full"
READ_ONLY_DATABASE = "attempt to write a readonly database"
LOCKED_DATABASE = ("database is locked", "database table is locked", "QueuePool limit")
# PostgreSQL's codes: a full disk, a lock that was not given in time; a server that is read-only after a failover.
FULL_SERVER, LOCK_TIMEOUT, READ_ONLY_SERVER = "53100", "55P03", "25006"


def explain_shortage(error: BaseException) -> UserError | None:
    """Return what to tell a client if `error` means that the machine lacks something, None for any other error."""
    words = str(error)
    number = error.errno if isinstance(error, OSError) else None
    code = getattr(getattr(error, "orig", None), "sqlstate", None)
    if number in FULL or FULL_DATABASE in words or code == FULL_SERVER:
        return StorageFull("The server's disk is full. Nothing that was finished is lost; tell its operator.")
    if number in READ_ONLY or READ_ONLY_DATABASE in words:
        return StorageFull(
            "The server's disk cannot be written to. Nothing that was finished is lost; tell its operator."
        )
    if any(item in words for item in LOCKED_DATABASE) or code == LOCK_TIMEOUT:
        return Unavailable(
            "The server's database is busy; nothing was changed. Please try again in half a minute.", DATABASE_RETRY_S
        )
    if isinstance(error, DBAPIError):
        return _explain_database_server(error)
    if isinstance(error, MemoryError) or type(error).__name__ == GPU_ERROR:
        where = "The server's GPU" if type(error).__name__ == GPU_ERROR else "The server"
        return Unavailable(
            f"{where} ran out of memory on this. Nothing that was finished is lost; try a smaller window or fewer "
            "points, try again in a minute, or ask the operator.",
            MEMORY_RETRY_S,
        )
    return None


def _explain_database_server(error: DBAPIError) -> UserError | None:
    """Return what a database server's error means for clients: that it is away, or nothing they should know."""
    driver_error = error.orig
    if not type(driver_error).__module__.startswith("psycopg"):
        return None
    code = getattr(driver_error, "sqlstate", None)
    if isinstance(error, OperationalError) or error.connection_invalidated or code == READ_ONLY_SERVER:
        return Unavailable(
            "The server's database cannot be reached just now; nothing was changed. Please try again in half a minute.",
            DATABASE_RETRY_S,
        )
    return None
