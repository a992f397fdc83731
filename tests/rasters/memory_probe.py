"""Looks at a raster as a visitor would and prints as JSON by how many MiB the process's peak memory grew.

A program of its own, because the peak of a process never shrinks again: `python memory_probe.py source.tif`.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from pathlib import Path

from server.rasters.metadata import read_metadata
from server.rasters.opening import check_raster
from server.rasters.preview import render_preview
from server.rasters.tiles import read_tilejson, render_tile
from server.rasters.windows import PatchReader, PixelWindow

MIN_TILES = 50


def peak_mib() -> float:
    """Return the largest resident size this process ever had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def render_tiles(source: Path) -> int:
    """Draw tiles of all zooms around the centre and return how many were not empty."""
    tiles = read_tilejson(source, "")
    lon, lat, _ = tiles["center"]
    n_drawn = 0
    for zoom in range(tiles["minzoom"], tiles["maxzoom"] + 1):
        x = math.floor((lon + 180.0) / 360.0 * 2**zoom)
        y = math.floor((1.0 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2.0 * 2**zoom)
        for across, down in itertools.product(range(-1, 3), range(-1, 3)):
            n_drawn += render_tile(source, zoom, x + across, y + down) is not None
    return n_drawn


def main() -> None:
    source = Path(sys.argv[1])
    before = peak_mib()
    check_raster(source, max_pixels=2**32)
    meta = read_metadata(source, source.name)
    render_preview(source, (4, 2, 1))
    n_tiles = render_tiles(source)
    with PatchReader(source, (1, 2, 3)) as reader:
        patch = reader.read_patch(PixelWindow(5000, 5000, 1024, 1024))
    print(
        json.dumps(
            {
                "growth_mib": peak_mib() - before,
                "n_tiles": n_tiles,
                "max": meta["bands"][0]["max"],
                "patch_valid": bool(patch.valid.any()),
            }
        )
    )


if __name__ == "__main__":
    main()
