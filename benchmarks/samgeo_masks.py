"""Whole programs: this project's `segment` command beside segment-geospatial, on one GeoTIFF and one checkpoint.

Both start from nothing, read the file, segment it and write a label raster. segment-geospatial lives in a virtual
environment of its own (`.bench-venv/samgeo`), made on first use, because it brings some two hundred packages.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
import torch

from benchmarks.automatic_masks.images import Picture, speed_picture
from benchmarks.automatic_masks.networks import Subject, prepared_subject
from benchmarks.peer import make_peer
from server.segmentation.parameters import PARAMETERS, MaskGeneratorSettings
from server.settings import REPOSITORY

PEER_PACKAGES = ("segment-geospatial[samgeo]==1.4.2", "torch==2.14.1", "torchvision==0.29.1")
PEER_PROGRAM = REPOSITORY / "benchmarks" / "samgeo_peer.py"
KIND = "vit_b"
# How often a running program is looked at, in seconds; its peak only grows, so little is missed at its end.
POLL_S = 0.05


@dataclass(frozen=True)
class Run:
    """One program from its start to its end.

    Attributes:
        seconds: wall time.
        peak_mib: largest resident memory of the process.
        n_objects: different ids over 0 in the label raster.
    """

    seconds: float
    peak_mib: float
    n_objects: int


def main(arguments: Sequence[str]) -> int:
    """Print the median seconds and the peak memory of both programs and their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.samgeo_masks", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--points-per-side", type=int, default=8)
    chosen = parser.parse_args(arguments)
    programs = make_peer("samgeo", PEER_PACKAGES, "import segment_anything, samgeo")
    picture = speed_picture()
    with TemporaryDirectory() as name, prepared_subject(KIND, picture.rgb, torch.device("cpu")) as subject:
        raster = write_raster(Path(name) / "scene.tif", picture)
        settings = dataclasses.replace(subject.thresholds, points_per_side=chosen.points_per_side)
        runs: dict[str, list[Run]] = {"ours": [], "samgeo": []}
        for _ in range(chosen.pairs):
            runs["ours"].append(run_ours(raster, subject, settings))
            runs["samgeo"].append(run_samgeo(programs / "python", raster, subject, settings))
    figures = summarise(runs) | {"points_per_side": chosen.points_per_side, "pairs": chosen.pairs}
    for key, value in figures.items():
        print(f"{key:20} {value}")
    if chosen.json:
        print(json.dumps(figures))
    return 0


def write_raster(path: Path, picture: Picture) -> Path:
    """Write the picture as a uint8 GeoTIFF with a place on Earth."""
    height, width = picture.rgb.shape[:2]
    transform = rasterio.Affine(0.5, 0, 448_000, 0, -0.5, 4_418_000)
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8",
               "crs": "EPSG:32650", "transform": transform}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(np.moveaxis(picture.rgb, 2, 0))
    return path


def run_ours(raster: Path, subject: Subject, settings: MaskGeneratorSettings) -> Run:
    """Run this project's command."""
    output = raster.with_name("ours.tif")
    command = [sys.executable, str(REPOSITORY / "ultimate.py"), "segment", str(raster), str(output), "--device", "cpu",
               "--checkpoint", subject.checkpoint, "--ckpt-folder", str(subject.folder), "--json"]  # fmt: skip
    for name in PARAMETERS:
        command += ["--" + name.replace("_", "-"), str(getattr(settings, name))]
    return run_and_watch(command, output)


def run_samgeo(python: Path, raster: Path, subject: Subject, settings: MaskGeneratorSettings) -> Run:
    """Run segment-geospatial on the same file with the same parameters."""
    output = raster.with_name("samgeo.tif")
    told = {"raster": str(raster), "output": str(output), "kind": KIND, "settings": dataclasses.asdict(settings),
            "checkpoint": str(subject.folder / f"{subject.checkpoint}.pth")}  # fmt: skip
    return run_and_watch([str(python), str(PEER_PROGRAM), json.dumps(told)], output)


def run_and_watch(command: list[str], output: Path) -> Run:
    """Run `command` in a process of its own; return its time, its peak memory and what it wrote to `output`."""
    output.unlink(missing_ok=True)
    with output.with_suffix(".log").open("w+") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT)
        peak_mib = 0.0
        while process.poll() is None:
            peak_mib = read_peak_mib(process.pid) or peak_mib
            time.sleep(POLL_S)
        seconds = time.perf_counter() - started
        if process.returncode:
            log.seek(0)
            raise RuntimeError(f"{command[:3]} ended with status {process.returncode}:\n{log.read()[-2000:]}")
    with rasterio.open(output) as source:
        n_objects = len(np.setdiff1d(source.read(1), [0]))
    return Run(seconds, peak_mib, n_objects)


def read_peak_mib(pid: int) -> float:
    """Return the largest resident memory of a process so far; 0 where it has just ended.

    Not `ru_maxrss`: on Linux that of a child starts with the peak of the parent, which is larger here.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    kib = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kib[0]) / 1024 if kib else 0.0


def summarise(runs: dict[str, list[Run]]) -> dict[str, Any]:
    """Return medians, how many times faster ours is (median over pairs), and ours / samgeo in peak memory."""
    ratios = [theirs.seconds / ours.seconds for ours, theirs in zip(runs["ours"], runs["samgeo"], strict=True)]
    peaks = {side: max(run.peak_mib for run in side_runs) for side, side_runs in runs.items()}
    return {
        **{f"{side}_s": round(statistics.median(run.seconds for run in rows), 2) for side, rows in runs.items()},
        "speedup": round(statistics.median(ratios), 2),
        **{f"{side}_peak_mib": round(peak) for side, peak in peaks.items()},
        "memory_ratio": round(peaks["ours"] / peaks["samgeo"], 3),
        **{f"{side}_objects": rows[-1].n_objects for side, rows in runs.items()},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
