"""Copies a raster into a cloud-optimised GeoTIFF in a way that can be stopped at any moment."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rasterio.shutil
from rasterio.errors import RasterioIOError

# GDAL's copy cannot be stopped from within. Up to this size it takes about a second; above it, it runs in a process
# of its own, which costs half a second more and can be ended.
MAX_PIXELS_IN_PROCESS = 8_000_000
CHECK_INTERVAL_S = 0.2
_COPY = """
import json, sys, warnings
import rasterio.shutil
warnings.simplefilter("ignore")
draft, target, options, environment = json.loads(sys.argv[1])
with rasterio.Env(**environment):
    rasterio.shutil.copy(draft, target, **options)
"""


def copy_to_cog(draft: Path, target: Path, n_pixels: int, check: Callable[[], None], **options: Any) -> None:
    """Copy a GeoTIFF into a cloud-optimised one.

    Args:
        draft: the file to copy, closed.
        target: the file to write; nothing stays there if the copy is stopped or fails.
        n_pixels: how many the raster has.
        check: called a few times a second while a large raster is copied; may raise to stop.
        options: of GDAL's COG driver.

    Raises:
        OSError: the disk is full.
        RasterioIOError: GDAL could not copy the file.
    """
    options["driver"] = "COG"
    if n_pixels <= MAX_PIXELS_IN_PROCESS:
        rasterio.shutil.copy(str(draft), str(target), **options)
        return
    environment = rasterio.env.getenv() if rasterio.env.hasenv() else {}
    # A killed copy leaves drafts of its own beside its target.
    with tempfile.TemporaryDirectory(prefix="copy-", dir=target.parent) as scratch:
        finished = Path(scratch) / target.name
        _run(json.dumps([str(draft), str(finished), options, environment]), check)
        finished.replace(target)


def _run(task: str, check: Callable[[], None]) -> None:
    with subprocess.Popen(  # noqa: S603 - our own interpreter and the text above
        [sys.executable, "-c", _COPY, task],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            errors = _wait(child, check)
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        if "No space left" in errors:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        lines = errors.strip().splitlines() or [f"the copying process ended with {child.returncode}"]
        raise RasterioIOError(f"The raster could not be copied: {lines[-1]}")


def _wait(child: subprocess.Popen[str], check: Callable[[], None]) -> str:
    """Return what the process wrote as errors, when it has ended."""
    while True:
        check()
        try:
            return child.communicate(timeout=CHECK_INTERVAL_S)[1]
        except subprocess.TimeoutExpired:
            continue
