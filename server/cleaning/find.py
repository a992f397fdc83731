"""Which files in the cache folder nobody needs any more; looks, never deletes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from server.clients.pending import PENDING
from server.clients.rasters import RASTERS, RESULT_PREFIX
from server.clients.sessions import CLIENTS, TRASH
from server.clients.staging import STAGING

# As `server.jobs.tasks` names the folder a job writes into.
JOB_FOLDER = re.compile(r"job-([0-9a-f]{32})-.+")
EXPORT_FOLDERS = "export-*"


@dataclass(frozen=True)
class JobFolder:
    """A folder some job writes or wrote into."""

    path: Path
    job: str


def find_trash(cache_folder: Path) -> list[Path]:
    """Return what has been thrown away already."""
    return list(_children(cache_folder / TRASH))


def find_stale(cache_folder: Path, oldest_s: float) -> list[Path]:
    """Return uploads that stopped, side files whose raster never came, interrupted exports and older results.

    Args:
        cache_folder: the cache.
        oldest_s: seconds since 1970; what was written to after that is kept.
    """
    candidates = list(_children(cache_folder / STAGING))
    for client in _children(cache_folder / CLIENTS):
        candidates += _children(client / PENDING)
        for raster in _children(client / RASTERS):
            candidates += raster.glob(f"{RESULT_PREFIX}*/{EXPORT_FOLDERS}")
            candidates += find_superseded_results(raster)
    return [path for path in candidates if last_change_s(path) < oldest_s]


def find_superseded_results(raster_folder: Path) -> list[Path]:
    """Return all result folders of a raster but the latest."""
    numbered = []
    for path in raster_folder.glob(f"{RESULT_PREFIX}*"):
        number = path.name.removeprefix(RESULT_PREFIX)
        if number.isdecimal():
            numbered.append((int(number), path))
    return [path for _, path in sorted(numbered)[:-1]]


def find_unknown_clients(cache_folder: Path, oldest_s: float, is_known: Callable[[str], bool]) -> list[Path]:
    """Return folders of clients that are not in the database, unless written to after `oldest_s`."""
    folders = (path for path in _children(cache_folder / CLIENTS) if not is_known(path.name))
    return [path for path in folders if last_change_s(path) < oldest_s]


def find_job_folders(cache_folder: Path) -> list[JobFolder]:
    """Return every folder that jobs write into."""
    found = []
    for client in _children(cache_folder / CLIENTS):
        for raster in _children(client / RASTERS):
            for path in _children(raster):
                match = JOB_FOLDER.fullmatch(path.name)
                if match:
                    found.append(JobFolder(path, match[1]))
    return found


def left_over(folders: Iterable[JobFolder], needing_jobs: set[str]) -> list[Path]:
    """Return the folders whose job is over.

    Args:
        folders: found before `needing_jobs` was asked for; in the other order a job that began between would be missed.
        needing_jobs: ids of the jobs that wait or run, or may be tried again.
    """
    return [folder.path for folder in folders if folder.job not in needing_jobs]


def last_change_s(path: Path) -> float:
    """Return when anything in a file or folder changed last, seconds since 1970; the far future where it is gone."""
    try:
        newest = path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
    return max([newest, *(last_change_s(child) for child in _children(path))])


def _children(folder: Path) -> Iterator[Path]:
    """Give what lies in a folder; nothing where it is no folder or gone meanwhile."""
    try:
        yield from list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
