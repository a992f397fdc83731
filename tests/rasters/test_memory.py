"""Memory does not grow with the raster: 12,000 x 12,000 pixels of four 16-bit bands are 1.15 GB when decoded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

SIDE_PX = 12_000
LIMIT_MIB = 500
# One strip in four holds data; the blocks between are sparse in the file and as large as any other in memory.
STRIP_PX, EVERY = 512, 4
LAYOUTS = {"tiled": {"tiled": True, "blockxsize": 256, "blockysize": 256}, "striped": {"tiled": False, "blockysize": 4}}


def write_large(path: Path, layout: dict) -> None:
    strip = (
        np.random.default_rng(0).integers(200, 3000, (4, STRIP_PX, SIDE_PX // 16), dtype=np.uint16).repeat(16, axis=2)
    )
    profile = {
        "driver": "GTiff",
        "width": SIDE_PX,
        "height": SIDE_PX,
        "count": 4,
        "dtype": "uint16",
        "crs": "EPSG:32650",
        "transform": from_origin(500_000, 4_400_000, 0.5, 0.5),
        "compress": "deflate",
        "zlevel": 1,
        "interleave": "pixel",
        "sparse_ok": True,
        **layout,
    }
    with rasterio.open(path, "w", **profile) as raster:
        for row in range(0, SIDE_PX - STRIP_PX, STRIP_PX * EVERY):
            raster.write(strip, window=Window(0, row, SIDE_PX, STRIP_PX))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory of a process is read from /proc")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_does_not_grow_with_the_raster(tmp_path, layout):
    source = tmp_path / "source.tif"
    write_large(source, LAYOUTS[layout])
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("memory_probe.py"), source],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["growth_mib"] < LIMIT_MIB
    assert found["n_tiles"] >= 50
    assert found["max"] == pytest.approx(2999, abs=20)
    assert found["patch_valid"]
