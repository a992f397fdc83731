"""Where our generator's time goes, how much arithmetic each side does, and how fast this machine could do it."""

from __future__ import annotations

import cProfile
import dataclasses
import pstats
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.automatic_masks.sides import make_ours, make_package
from server.segmentation.parameters import MaskGeneratorSettings

PEAK_SIDE = 2048
PEAK_ROUNDS = 10
# Two points on the line "operations over number of batches"; the package never skips a batch.
FEW_POINTS_PER_SIDE, MORE_POINTS_PER_SIDE = 8, 11
# Functions below server/segmentation whose time makes up a stage; none of them calls another one.
STAGES = {
    "encode": ("set_image",),
    "start": ("start",),
    "rate": ("rate",),
    "draw": ("draw",),
    "upsample": ("find_support", "upsample"),
    "stability and box": ("measure_stability", "crop_mask"),
    "suppress duplicates": ("suppress_overlaps",),
}


def measure_stages(
    network: Any, settings: MaskGeneratorSettings, rgb: NDArray[np.uint8], device: torch.device
) -> dict[str, Any]:
    """Return the share of time of our stages, both sides' arithmetic, and our rate beside the machine's best."""
    ours = make_ours(network, settings)
    shares = share_of_stages(ours, rgb)
    operations = count_operations(ours, rgb)
    started = time.perf_counter()
    ours(rgb)
    seconds = time.perf_counter() - started
    return {
        "shares": {stage: round(share, 3) for stage, share in shares.items()},
        "ours_gflop": round(operations / 1e9, 1),
        "package_gflop": round(count_package_operations(network, settings, rgb) / 1e9, 1),
        "achieved_gflop_per_s": round(operations / seconds / 1e9, 1),
        "peak_gflop_per_s": round(measure_peak_rate(device) / 1e9, 1),
    }


def share_of_stages(generate: Callable[[NDArray[np.uint8]], object], rgb: NDArray[np.uint8]) -> dict[str, float]:
    """Return the share of time of each stage, 0..1; what no stage claims is "rest".

    Operations on a processor return when they are done, so Python's own profiler sees them in full; its cost per call
    vanishes beside calls that work on whole batches.
    """
    profiler = cProfile.Profile()
    started = time.perf_counter()
    profiler.runcall(generate, rgb)
    total = time.perf_counter() - started
    seconds = _cumulative_seconds(profiler)
    shares = {stage: sum(seconds.get(name, 0.0) for name in names) / total for stage, names in STAGES.items()}
    return {**shares, "rest": 1.0 - sum(shares.values())}


def _cumulative_seconds(profiler: cProfile.Profile) -> dict[str, float]:
    """Return the time inside each function of our segmentation package, by name, the networks' own left out."""
    seconds: dict[str, float] = {}
    statistics: Any = pstats.Stats(profiler)
    for (file, _, name), (_, _, _, cumulative, _) in statistics.stats.items():
        if "/server/segmentation/" in file and "/embedded/" not in file:
            seconds[name] = max(seconds.get(name, 0.0), cumulative)
    return seconds


def count_operations(generate: Callable[[NDArray[np.uint8]], object], rgb: NDArray[np.uint8]) -> int:
    """Return the floating-point operations of all matrix products and convolutions; a multiply-add counts two."""
    with FlopCounterMode(display=False) as counter:
        generate(rgb)
    return int(counter.get_total_flops())


def count_package_operations(network: Any, settings: MaskGeneratorSettings, rgb: NDArray[np.uint8]) -> int:
    """Return the same for the package without its long run: every click costs alike, so two coarse grids tell."""
    counts = []
    for side in (FEW_POINTS_PER_SIDE, MORE_POINTS_PER_SIDE):
        coarse = dataclasses.replace(settings, points_per_side=side)
        counts.append(count_operations(make_package(network, coarse), rgb))
    per_point = (counts[1] - counts[0]) / (MORE_POINTS_PER_SIDE**2 - FEW_POINTS_PER_SIDE**2)
    return round(counts[0] + per_point * (settings.points_per_side**2 - FEW_POINTS_PER_SIDE**2))


def measure_peak_rate(device: torch.device) -> float:
    """Return the operations per second of the best of some float32 matrix products of 2048 x 2048."""
    left = torch.rand(PEAK_SIDE, PEAK_SIDE, device=device)
    right = torch.rand(PEAK_SIDE, PEAK_SIDE, device=device)
    best = float("inf")
    for _ in range(PEAK_ROUNDS):
        started = time.perf_counter()
        torch.mm(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * PEAK_SIDE**3 / best
