"""Sends many files as one zip archive while it is being made, so that neither disk nor memory holds it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

# What has been compressed already would only take time.
COMPRESSED = frozenset((".png", ".tif", ".gpkg"))
_COPY_BYTES = 2**18


class _Outlet(io.RawIOBase):
    """Takes what the archive writes until it is fetched; it cannot go back, and says so."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]  # zipfile writes bytes and nothing else
        """Keep a piece."""
        self._parts.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def stream_zip(files: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """Yield the bytes of a zip archive; the same files give the same bytes.

    Args:
        files: path in the archive and file.
    """
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w") as archive:
        for name, path in files:
            entry = zipfile.ZipInfo(name)  # without the time of the file
            entry.compress_type = zipfile.ZIP_STORED if path.suffix in COMPRESSED else zipfile.ZIP_DEFLATED
            entry.file_size = path.stat().st_size
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w") as target, path.open("rb") as source:
                while piece := source.read(_COPY_BYTES):
                    target.write(piece)
                    yield outlet.take()
    yield outlet.take()
