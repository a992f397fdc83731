"""Where uploads stream to before they belong to a raster, on the disk where they will stay."""

from __future__ import annotations

import shutil
from pathlib import Path

STAGING = "staging"


def staging_folder(cache_folder: Path) -> Path:
    """Return the staging folder, made if absent."""
    folder = cache_folder / STAGING
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def clear_staging(cache_folder: Path) -> None:
    """Remove what uploads of an earlier process left; call it before any upload of this one starts."""
    shutil.rmtree(cache_folder / STAGING, ignore_errors=True)
