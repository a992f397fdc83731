"""Says in one word what a result depends on, so that finished windows are never taken for those of other work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from server import __version__
from server.rasters.side_files import read_state

DIGEST_BYTES = 16


def fingerprint_work(source: Path, request: Mapping[str, Any], weights: Path, computing: str) -> str:
    """Return 32 hexadecimal digits that change with the raster, its side files, the request, or the network.

    Args:
        source: the raster.
        request: what to segment and how, JSON.
        weights: file of the network's weights, whose content counts and not its name.
        computing: device and precision, which change the last digits of what a network says.

    Raises:
        FileNotFoundError: the raster or the weights are gone.
    """
    state = weights.stat()
    facts = [
        __version__,
        read_state(source),
        request,
        digest_file(weights, state.st_mtime_ns, state.st_size),
        computing,
    ]
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=DIGEST_BYTES).hexdigest()


@lru_cache(maxsize=8)
def digest_file(path: Path, _changed_ns: int, _n_bytes: int) -> str:
    """Return the digest of a file's content; time and size make a changed file a new question to the cache."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
