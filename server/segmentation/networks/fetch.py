"""Downloads an official checkpoint: resumable, checked by digest, renamed into place only when it is complete."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from server.errors import BadParameter, CheckpointMissing, StorageFull
from server.segmentation.networks.checkpoints import Source, read_sources

CHUNK_BYTES = 1 << 20
# Seconds without a single byte after which the connection counts as lost; the part stays for the next attempt.
TIMEOUT_S = 30.0
Progress = Callable[[int, int | None], None]


class _Response(Protocol):
    status: int
    headers: http.client.HTTPMessage

    def read(self, amount: int) -> bytes: ...


def fetch_checkpoint(name: str, folder: Path, progress: Progress) -> Path:
    """Download checkpoint `name` into `folder` unless it is already there.

    Args:
        name: a known checkpoint that has a URL.
        folder: where checkpoints lie; made where absent.
        progress: told (bytes on disk, bytes in all or None) after every chunk.

    Returns:
        The complete file.

    Raises:
        BadParameter: the name is unknown, or that checkpoint cannot be downloaded.
        CheckpointMissing: the server cannot be reached, the connection broke, or the file is not the expected one.
        StorageFull: the disk has no room left.
    """
    sources = read_sources()
    downloadable = [key for key, source in sources.items() if source.url]
    if name not in downloadable:
        raise BadParameter(f'"{name[:80]}" cannot be downloaded; expected one of {", ".join(downloadable)}.', "name")
    target = folder / sources[name].file
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        fetch_file(sources[name], target, progress)
    return target


def fetch_file(source: Source, target: Path, progress: Progress) -> None:
    """Download `source.url` to `target` through `target.part`, continuing a part that an earlier attempt left.

    Raises:
        CheckpointMissing: see `fetch_checkpoint`; after a wrong digest the part is removed, otherwise it stays.
        StorageFull: the disk has no room left.
    """
    part = target.with_name(target.name + ".part")
    try:
        if not _is_complete(part, source):
            _download(source, part, progress)
    except urllib.error.HTTPError as error:
        raise CheckpointMissing(
            f"Cannot download {target.name}: {source.url} answered {error.code} {error.reason}; try again later."
        ) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise CheckpointMissing(
            f"Cannot download {target.name} from {source.url}: no connection ({error}); "
            f"connect to the internet and run the command again, or copy the file to {target.parent} by hand."
        ) from error
    except OSError as error:
        raise StorageFull(f"Cannot write {part}: {error.strerror}; make room and run the command again.") from error
    _check(part, source)
    os.replace(part, target)  # noqa: PTH105 - atomic on every system, Path.rename is not on Windows


def _is_complete(part: Path, source: Source) -> bool:
    return part.is_file() and part.stat().st_size == source.size_bytes


def _download(source: Source, part: Path, progress: Progress) -> None:
    done = part.stat().st_size if part.is_file() else 0
    if source.size_bytes is not None and done > source.size_bytes:
        part.unlink()
        done = 0
    request = urllib.request.Request(str(source.url))  # noqa: S310 - URLs come from our own list only
    if done:
        request.add_header("Range", f"bytes={done}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0  # the server does not resume and sends everything from the start
        _write_body(response, part, done, progress)


def _write_body(response: _Response, part: Path, done: int, progress: Progress) -> None:
    length = response.headers.get("Content-Length")
    total = done + int(length) if length is not None else None
    with part.open("ab" if done else "wb") as file:
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            progress(done, total)


def _check(part: Path, source: Source) -> None:
    """Raise unless `part` has the size and digest of `source`."""
    size = part.stat().st_size
    if source.size_bytes is not None and size < source.size_bytes:
        raise CheckpointMissing(
            f"The download of {source.file} broke off at {size} of {source.size_bytes} bytes; "
            "run the command again to continue it."
        )
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if source.sha256 is not None and digest != source.sha256:
        part.unlink()
        raise CheckpointMissing(
            f"The downloaded {source.file} has SHA-256 {digest}; expected {source.sha256}. "
            "It was removed; run the command again, and distrust the network if this repeats."
        )
