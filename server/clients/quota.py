"""How much of its space a client uses, files still on their way in included."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from server.clients.sessions import Client
from server.errors import QuotaExceeded


class QuotaKeeper:
    """Lets uploads in as long as all files of a client, present and coming, fit into its quota."""

    def __init__(self, client_quota_bytes: int) -> None:
        self._quota_bytes = client_quota_bytes
        # Also held while a reservation ends, so that a file which just arrived is counted at least once.
        self._lock = Lock()
        self._reserved_bytes: Counter[str] = Counter()

    @contextmanager
    def reserve(self, client: Client, n_bytes: int) -> Iterator[None]:
        """Keep `n_bytes` free for `client` while the block runs.

        Raises:
            QuotaExceeded: they are not free.
        """
        with self._lock:
            used = folder_size_bytes(client.folder) + self._reserved_bytes[client.id]
            if used + n_bytes > self._quota_bytes:
                raise QuotaExceeded(
                    f"Your files take {used:,} bytes and this one {n_bytes:,}; the limit is {self._quota_bytes:,} "
                    "bytes for all of them. Delete a raster you no longer need, then try again."
                )
            self._reserved_bytes[client.id] += n_bytes
        try:
            yield
        finally:
            with self._lock:
                self._reserved_bytes[client.id] -= n_bytes
                if self._reserved_bytes[client.id] <= 0:
                    del self._reserved_bytes[client.id]


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
