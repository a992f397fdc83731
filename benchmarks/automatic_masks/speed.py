"""How long both sides take for one image, in turns in one process."""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.automatic_masks.parity import REDUCED, match_share
from benchmarks.automatic_masks.sides import make_ours, make_package
from server.errors import BadParameter
from server.segmentation.networks.precision import check_precision
from server.segmentation.parameters import MaskGeneratorSettings

WARM_UP_POINTS_PER_SIDE = 8


def measure_speed(network: Any, settings: MaskGeneratorSettings, rgb: NDArray[np.uint8], pairs: int) -> dict[str, Any]:
    """Run both sides in turns in this process; return medians, the speed-up and how many masks each found.

    The median of the ratios of single pairs is what counts: both runs of a pair meet the same noise.
    """
    ours, package = make_ours(network, settings), make_package(network, settings)
    # Warm-up: a coarse grid calls everything once without the minutes of a full run.
    coarse = dataclasses.replace(settings, points_per_side=min(WARM_UP_POINTS_PER_SIDE, settings.points_per_side))
    make_ours(network, coarse)(rgb)
    make_package(network, coarse)(rgb)
    seconds: dict[str, list[float]] = {"ours": [], "package": []}
    n_masks = {}
    for _ in range(pairs):
        for name, generate in (("ours", ours), ("package", package)):
            started = time.perf_counter()
            n_masks[name] = len(generate(rgb))
            seconds[name].append(time.perf_counter() - started)
    ratios = [theirs / our for our, theirs in zip(seconds["ours"], seconds["package"], strict=True)]
    return {"ours_s": round(statistics.median(seconds["ours"]), 3),
            "package_s": round(statistics.median(seconds["package"]), 3),
            "speedup": round(statistics.median(ratios), 2), "pairs": pairs, "n_masks": n_masks}  # fmt: skip


def measure_bf16(network: Any, settings: MaskGeneratorSettings, rgb: NDArray[np.uint8], pairs: int) -> dict[str, Any]:
    """Return our speed-up in bfloat16 over the float32 package and the share of masks kept, or why there is none."""
    device = next(network.parameters()).device
    try:
        check_precision("bfloat16", device)
    except BadParameter as refusal:
        return {"speedup": None, "match_share": None, "reason": str(refusal)}
    reduced, package = make_ours(network, settings, precision="bfloat16"), make_package(network, settings)
    found = reduced(rgb)
    ratios = []
    for _ in range(pairs):
        started = time.perf_counter()
        reduced(rgb)
        middle = time.perf_counter()
        package(rgb)
        ratios.append((time.perf_counter() - middle) / (middle - started))
    share = match_share(found, make_ours(network, settings)(rgb), REDUCED)
    return {"speedup": round(statistics.median(ratios), 2), "match_share": round(share, 4), "reason": None}
