"""Small files that outlive a process: each is there completely or not at all, and belongs to one task only."""

from __future__ import annotations

import os
import secrets
import shutil
import zlib
from pathlib import Path

# What a file begins with; another layout of files gets another signature.
SIGNATURE = b"windows1"
N_HEAD_BYTES = len(SIGNATURE) + 4
ENDING = ".kept"


class KeptFiles:
    """The files of one task in the folder of a job."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Open the files of a task; those of any other are removed, because nobody will ask for them again.

        Args:
            folder: of the job; made where it is absent.
            fingerprint: differs wherever the raster, the request or the network does.
        """
        self._folder = folder / fingerprint
        self._folder.mkdir(parents=True, exist_ok=True)
        for other in folder.iterdir():
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return self._path(name).exists()

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None where it is absent, or damaged because the machine lost power."""
        try:
            stored = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        content = stored[N_HEAD_BYTES:]
        return content if stored[:N_HEAD_BYTES] == _head(content) else None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which appears at once, in place of an older one."""
        draft = self._folder / f"{name}.{secrets.token_hex(4)}"
        draft.write_bytes(_head(content) + content)
        os.replace(draft, self._path(name))  # noqa: PTH105 - atomic on every system, Path.rename is not on Windows

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{ENDING}"


def count_kept(folder: Path) -> int:
    """Return how many files lie in the folder of a job; 0 where there is none."""
    return sum(1 for _ in folder.glob(f"*/*{ENDING}"))


def _head(content: bytes) -> bytes:
    return SIGNATURE + zlib.crc32(content).to_bytes(4, "little")
