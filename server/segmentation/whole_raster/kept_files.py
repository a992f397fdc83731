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
    """The files of one task in the folder of a job.

    Attributes:
        fingerprint: differs wherever the raster, the request or the network does.
    """

    def __init__(self, folder: Path, fingerprint: str, *, joins: bool = False) -> None:
        """Open the files of a task.

        Args:
            folder: of the job; made where it is absent.
            fingerprint: of the task; files of any other are removed, because nobody will ask for them again.
            joins: another process has opened them and is at work: nothing is made or removed.
        """
        self.fingerprint = fingerprint
        self._folder = folder / fingerprint
        if joins:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for other in folder.iterdir():
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)

    def list_names(self) -> set[str]:
        """Return the names of all files that are there.

        Raises:
            FileNotFoundError: the task is over, and they were removed.
        """
        with os.scandir(self._folder) as entries:
            return {entry.name.removesuffix(ENDING) for entry in entries if entry.name.endswith(ENDING)}

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
        """Write a file, which appears at once, in place of an older one.

        Raises:
            FileNotFoundError: the task is over, and its files were removed.
        """
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
