"""Keeps encoder outputs on disk, so that an encoder that stays as it is looks at every view only once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

ENDING, DRAFT_ENDING = ".npy", ".part"


class EmbeddingStore:
    """Encoder outputs as float16 files in one folder, bounded in bytes; for one process at a time.

    A file appears whole or not at all, and drafts that a cut-off run left are removed. Files are found again by later
    runs. Where the room ends, files that this run has not used go first, oldest use first; those it uses stay, because
    it will come back to them and throwing one away for another gains nothing.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Open the store in `folder`, which is made where it does not exist."""
        folder.mkdir(parents=True, exist_ok=True)
        for draft in folder.glob(f"*{DRAFT_ENDING}"):
            draft.unlink()
        self._folder = folder
        self._max_bytes = max_bytes
        earlier = [(path.stat().st_mtime_ns, path) for path in folder.glob(f"*{ENDING}")]
        self._unused = {path.stem: path.stat().st_size for _, path in sorted(earlier)}
        self._n_bytes = sum(self._unused.values())

    @property
    def n_bytes(self) -> int:
        """Room the files take."""
        return self._n_bytes

    def find(self, key: str) -> torch.Tensor | None:
        """Return what was kept under `key` in float32, or None; a damaged file counts as none and is removed."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            values = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError):
            self._remove(key, path)
            return None
        if self._unused.pop(key, None) is not None:
            os.utime(path)
        return torch.from_numpy(values).float()

    def keep(self, key: str, embedding: torch.Tensor) -> None:
        """Store `embedding`, where there is room for it; numbers are rounded to float16."""
        values = embedding.detach().to("cpu", torch.float16).numpy()
        draft = self._folder / f"{key}{DRAFT_ENDING}"
        with draft.open("wb") as file:
            np.save(file, values, allow_pickle=False)
        n_bytes = draft.stat().st_size
        while self._n_bytes + n_bytes > self._max_bytes and self._unused:
            oldest = next(iter(self._unused))
            self._remove(oldest, self._path(oldest))
        if self._n_bytes + n_bytes > self._max_bytes:
            draft.unlink()
            return
        draft.replace(self._path(key))
        self._n_bytes += n_bytes

    def _remove(self, key: str, path: Path) -> None:
        self._unused.pop(key, None)
        self._n_bytes -= path.stat().st_size
        path.unlink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{ENDING}"


def round_as_stored(embedding: torch.Tensor) -> torch.Tensor:
    """Return float32 numbers as they come back from a store, so that nothing depends on what was kept."""
    return embedding.detach().to("cpu", torch.float16).float()


def digest_encoder(network: nn.Module) -> str:
    """Return a hexadecimal digest of the image encoder's weights, which all keys of its outputs begin with."""
    digest = hashlib.blake2b(digest_size=8)
    for name, values in network.get_submodule("image_encoder").state_dict().items():
        digest.update(name.encode())
        digest.update(values.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def make_key(encoder_digest: str, rgb: NDArray[np.uint8]) -> str:
    """Return the key of the output for an image uint8 (H, W, 3)."""
    digest = hashlib.blake2b(repr(rgb.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(rgb).data)
    return f"{encoder_digest}-{digest.hexdigest()}"
