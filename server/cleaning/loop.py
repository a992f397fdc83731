"""Two threads that remove stale files and expired clients, and say in the log what they removed."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from sqlalchemy.exc import SQLAlchemyError

from server.cleaning.find import find_job_folders, find_stale, find_trash, find_unknown_clients, left_over
from server.clients.quota import folder_size_bytes
from server.clients.sessions import Client, ClientStore
from server.jobs.job_queue import JobQueue
from server.observability.context import shorten_id

# Kind of cleaning and seconds since 1970 -> whether this process is to do it.
TakesTurn = Callable[[str, float], bool]
STOP_TIMEOUT_S = 3.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lifetimes:
    """How long things stay after their last use.

    Attributes:
        client_s: clients who passed the human check, and programs.
        visitor_s: clients who did not.
        stale_file_s: files that belong to no raster.
    """

    client_s: float
    visitor_s: float
    stale_file_s: float


class CleaningThreads:
    """Cleans at once and then every `interval_s` seconds, between `start` and `stop`."""

    def __init__(
        self,
        clients: ClientStore,
        queue: JobQueue,
        cache_folder: Path,
        lifetimes: Lifetimes,
        interval_s: float,
        takes_turn: TakesTurn | None = None,
    ) -> None:
        """Keep what the threads need.

        Args:
            clients: all clients.
            queue: all jobs.
            cache_folder: what is cleaned.
            lifetimes: how long things stay.
            interval_s: seconds between two rounds.
            takes_turn: asked with the kind of cleaning and seconds since 1970 before each round, where other processes
                clean the same folder; None cleans each time.
        """
        self._takes_turn = takes_turn or (lambda _kind, _now: True)
        self._clients = clients
        self._queue = queue
        self._cache_folder = cache_folder
        self._lifetimes = lifetimes
        self._interval_s = interval_s
        self._stop = Event()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Start both threads."""
        self._stop.clear()
        rounds = {"clean-files": self.remove_stale_files, "clean-clients": self.remove_expired_clients}
        self._threads = [Thread(target=self._repeat, args=item, name=item[0], daemon=True) for item in rounds.items()]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop both threads; a large folder one is just removing is left to the next start."""
        self._stop.set()
        for thread in self._threads:
            thread.join(STOP_TIMEOUT_S)

    def remove_stale_files(self, now: float) -> None:
        """Remove files that belong to no raster, no running job and no client.

        Args:
            now: seconds since 1970.
        """
        oldest_s = now - self._lifetimes.stale_file_s
        job_folders = find_job_folders(self._cache_folder)
        self._remove(left_over(job_folders, self._queue.ids_with_files(oldest_s)), "folders of jobs that are over")
        self._remove(find_stale(self._cache_folder, oldest_s), "stale files and folders")
        unknown = find_unknown_clients(self._cache_folder, oldest_s, lambda name: self._clients.get(name) is not None)
        self._remove(unknown, "folders of unknown clients")
        self._remove(find_trash(self._cache_folder), "things thrown away before")

    def remove_expired_clients(self, now: float) -> None:
        """Remove clients not seen for their lifetime, unless they have jobs waiting or running.

        Args:
            now: seconds since 1970.
        """
        n_removed, n_bytes = 0, 0
        lifetimes = self._lifetimes
        expired = self._clients.expired(
            now, client_lifetime_s=lifetimes.client_s, visitor_lifetime_s=lifetimes.visitor_s
        )
        for client in expired:
            if self._stop.is_set():
                break
            try:
                size_bytes = self._remove_client(client)
            except (OSError, SQLAlchemyError):
                log.exception("Client %s could not be removed; the next round tries again", shorten_id(client.id))
                continue
            if size_bytes is not None:
                n_removed, n_bytes = n_removed + 1, n_bytes + size_bytes
        if n_removed:
            log.info("Removed %d expired clients with %d bytes", n_removed, n_bytes)

    def _remove_client(self, client: Client) -> int | None:
        """Remove a client and return the size of its files in bytes; None where it stays."""
        size_bytes = folder_size_bytes(client.folder)
        # Whoever came back since `expired` looked stays.
        if self._queue.has_active(client.id) or not self._clients.delete(client.id, unseen_since=client.last_seen):
            return None
        self._queue.forget(client.id)
        return size_bytes

    def _remove(self, paths: Iterable[Path], what: str) -> None:
        n_removed, n_bytes = 0, 0
        for path in paths:
            if self._stop.is_set():
                break
            n_bytes += _remove_path(path)
            n_removed += 1
        if n_removed:
            log.info("Removed %d %s with %d bytes", n_removed, what, n_bytes)

    def _repeat(self, kind: str, clean: Callable[[float], None]) -> None:
        while not self._stop.is_set():
            try:
                now = time.time()
                if self._takes_turn(kind, now):
                    clean(now)
            except (OSError, SQLAlchemyError):
                log.exception("A round of cleaning failed; the next one follows in %.0f s", self._interval_s)
            self._stop.wait(self._interval_s)


def _remove_path(path: Path) -> int:
    """Remove a file or folder and return its size in bytes; 0 where it is gone already."""
    if path.is_dir() and not path.is_symlink():
        size_bytes = folder_size_bytes(path)
        shutil.rmtree(path, ignore_errors=True)
        return size_bytes
    try:
        size_bytes = path.lstat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size_bytes
