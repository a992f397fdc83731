"""Whole rasters end to end: does memory follow the raster, how steady is the progress, how fast does a cancel stop it.

Every run is a process of its own, so that none inherits the pages of another.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

from benchmarks.known_objects import paint_mosaic
from server.errors import Cancelled
from server.segmentation.engine import SegmentationEngine
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.whole_raster.segmenting import SegmentRequest
from server.settings import REPOSITORY

# The ground repeats every so many pixels, turned and lit differently each time.
BLOCK_PX, SCENE_PX = 3000, 1000
SEED = 7
# In the middle of the windows, while labels are written, and while outlines are drawn.
STOPS = (0.3, 0.945, 0.97)


def main(arguments: Sequence[str]) -> int:
    """Print, for every size, peak memory, seconds and the longest silence; and how long stopping takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole_raster", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sides", type=lambda text: [int(part) for part in text.split(",")], default=[6000, 12_000])
    parser.add_argument("--points-per-side", type=int, default=4)
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.task is not None:
        print(json.dumps(run_task(chosen.task)))
        return 0
    figures: dict[str, Any] = {"points_per_side": chosen.points_per_side}
    block = paint_mosaic(BLOCK_PX // SCENE_PX, SCENE_PX, SEED)[0]
    with tempfile.TemporaryDirectory() as name:
        rasters = {side: write_raster(Path(name) / f"{side}.tif", side, block) for side in chosen.sides}
        for side, raster in rasters.items():
            figures[str(side)] = run_apart(raster, chosen.points_per_side, None)
            print(f"{side:<16} {figures[str(side)]}", flush=True)
        smallest = rasters[min(chosen.sides)]
        stops = [run_apart(smallest, chosen.points_per_side, stop)["stopping_s"] for stop in STOPS]
    peaks = [figures[str(side)]["peak_mib"] for side in chosen.sides]
    figures |= {"stopping_s": dict(zip(map(str, STOPS), stops, strict=True)),
                "memory_ratio": round(peaks[-1] / peaks[0], 3)}  # fmt: skip
    for key in ("stopping_s", "memory_ratio"):
        print(f"{key:16} {figures[key]}")
    if chosen.json:
        print(json.dumps(figures))
    return 0


def write_raster(path: Path, side: int, block: np.ndarray) -> Path:
    """Write a square GeoTIFF made of turned and differently lit copies of `block`, uint8 (BLOCK_PX, BLOCK_PX, 3)."""
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "tiled": True,
               "compress": "deflate", "crs": "EPSG:32650",
               "transform": rasterio.Affine(0.5, 0, 448_000, 0, -0.5, 4_418_000)}  # fmt: skip
    corners = range(0, side, BLOCK_PX)
    with rasterio.open(path, "w", **profile) as target:
        for number, (row, col) in enumerate((row, col) for row in corners for col in corners):
            copy = np.rot90(block if number % 8 < 4 else block[:, ::-1], number % 4)
            lit = (copy * (1 - 0.03 * (number // 8))).astype(np.uint8)
            height, width = min(BLOCK_PX, side - row), min(BLOCK_PX, side - col)
            target.write(np.moveaxis(lit[:height, :width], 2, 0), window=Window(col, row, width, height))
    return path


def run_apart(raster: Path, points_per_side: int, stop_at: float | None) -> dict[str, Any]:
    """Run one segmentation in a process of its own and return its figures."""
    task = json.dumps({"raster": str(raster), "points_per_side": points_per_side, "stop_at": stop_at})
    command = [sys.executable, "-m", "benchmarks.whole_raster", "--task", task]
    child = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return figures


def run_task(task: dict[str, Any]) -> dict[str, Any]:
    """Be the child: segment, and watch the reports.

    Returns:
        Seconds, objects, peak resident memory, the longest time between two reports and what was going on then;
        where it was told to stop, only how long that took from the first report that asked for it.
    """
    reports: list[tuple[float, float, str]] = []

    def report(fraction: float, step: str) -> None:
        reports.append((time.perf_counter(), fraction, step))
        if task["stop_at"] is not None and fraction >= task["stop_at"]:
            raise Cancelled

    settings = MaskGeneratorSettings(points_per_side=task["points_per_side"], pred_iou_thresh=0.8,
                                     stability_score_thresh=0.8)  # fmt: skip
    engine = SegmentationEngine(CHECKPOINT_FOLDER, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        try:
            result = engine.segment(Path(task["raster"]), Path(folder), SegmentRequest((1, 2, 3), settings, "embedded"),
                                    report)  # fmt: skip
        except Cancelled:
            return {"stopping_s": round(time.perf_counter() - reports[-1][0], 2)}
        seconds = time.perf_counter() - started
    silences = [(now[0] - before[0], before[2]) for before, now in itertools.pairwise(reports)]
    longest, step = max(silences)
    return {"seconds": round(seconds, 1), "windows": result.n_windows, "objects": result.n_objects,
            "peak_mib": round(_read_peak_mib()), "longest_silence_s": round(longest, 2), "during": step,
            "fractions_rise": all(a[1] <= b[1] for a, b in itertools.pairwise(reports))}  # fmt: skip


def _read_peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
