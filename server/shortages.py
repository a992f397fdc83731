"""What a machine can run out of, as sentences: for requests and jobs alike, whoever raised it."""

from __future__ import annotations

import errno

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


def explain_shortage(error: BaseException) -> UserError | None:
    """Return what to tell a client if `error` means that the machine lacks something, None for any other error."""
    words = str(error)
    number = error.errno if isinstance(error, OSError) else None
    if number in FULL or FULL_DATABASE in words:
        return StorageFull("The server's disk is full. Nothing that was finished is lost; tell its operator.")
    if number in READ_ONLY or READ_ONLY_DATABASE in words:
        return StorageFull(
            "The server's disk cannot be written to. Nothing that was finished is lost; tell its operator."
        )
    if any(item in words for item in LOCKED_DATABASE):
        return Unavailable(
            "The server's database is busy; nothing was changed. Please try again in half a minute.", DATABASE_RETRY_S
        )
    if isinstance(error, MemoryError) or type(error).__name__ == GPU_ERROR:
        where = "The server's GPU" if type(error).__name__ == GPU_ERROR else "The server"
        return Unavailable(
            f"{where} ran out of memory on this. Nothing that was finished is lost; try a smaller window or fewer "
            "points, try again in a minute, or ask the operator.",
            MEMORY_RETRY_S,
        )
    return None
