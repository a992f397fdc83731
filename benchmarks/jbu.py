"""The joint bilateral upsampler beside a direct implementation that unfolds every pixel's neighbours.

One window as SegEarth-OV uses it: 14 x 14 features become 224 x 224, guided by a picture of 224 x 224 pixels. The
direct side unfolds some channels at once (`--chunk`); all 512 at once would take 12 GB for a single stage. Both sides
have the same random weights, run in turns in one process, and their peaks of memory are measured in processes of their
own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.timing import median_seconds
from server.settings import REPOSITORY
from server.vocabulary.bilateral import BilateralStage
from server.vocabulary.upsampler import SeparateStagesUpsampler, SharedStageUpsampler, Upsampler

PATCHES, PIXELS = 14, 224
SIDES = ("ours", "unfold")
KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Subject:
    """One upsampler and its input.

    Attributes:
        layout: "shared" (SimFeatUp, radius 5) or "separate" (FeatUp, radius 3).
        channels: of the features.
        chunk: channels that the direct side unfolds at once.
    """

    layout: str
    channels: int
    chunk: int

    def prepare(self) -> tuple[Upsampler, Tensor, Tensor]:
        """Return the upsampler, features (1, C, 14, 14) and the picture (1, 3, 224, 224), always the same."""
        torch.manual_seed(0)
        kind = SharedStageUpsampler if self.layout == "shared" else SeparateStagesUpsampler
        upsampler = kind(self.channels).eval().requires_grad_(False)
        return upsampler, torch.randn(1, self.channels, PATCHES, PATCHES), torch.randn(1, 3, PIXELS, PIXELS)


def main(arguments: Sequence[str]) -> int:
    """Print time, memory and difference of both sides for both layouts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jbu", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--chunk", type=int, default=64, help="channels the direct side unfolds at once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peak-of", choices=SIDES, help="be a child process: print the peak of one side in MiB")
    parser.add_argument("--layout", choices=("shared", "separate"), default=None)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    layouts = (chosen.layout,) if chosen.layout else ("shared", "separate")
    subjects = [Subject(layout, chosen.channels, chosen.chunk) for layout in layouts]
    if chosen.peak_of:
        print(measure_own_peak_mib(subjects[0], chosen.peak_of))
        return 0
    figures = {subject.layout: measure(subject, chosen.rounds, chosen.threads) for subject in subjects}
    for layout, found in figures.items():
        print(f"{layout}: {found}")
    if chosen.json:
        print(json.dumps({"benchmark": "jbu", "threads": chosen.threads, **figures}))
    return 0


def measure(subject: Subject, n_rounds: int, threads: int) -> dict[str, float]:
    """Return medians of seconds, peaks in MiB, their ratios, and the largest relative difference."""
    sides = make_sides(subject)
    seconds = median_seconds(sides, n_rounds)
    ours, direct = (sides[name]() for name in SIDES)
    difference = float((ours - direct).abs().max() / direct.abs().max())
    del ours, direct
    peaks = {name: _ask_child(subject, name, threads) for name in SIDES}
    return {
        **{f"{name}_seconds": round(seconds[name], 3) for name in SIDES},
        **{f"{name}_peak_mib": round(peaks[name], 1) for name in SIDES},
        "times_faster": round(seconds["unfold"] / seconds["ours"], 2),
        "share_of_memory": round(peaks["ours"] / peaks["unfold"], 3),
        "relative_difference": difference,
    }


def make_sides(subject: Subject) -> dict[str, Callable[[], Tensor]]:
    """Return both sides, each a function without arguments that returns (1, C, 224, 224)."""
    upsampler, features, picture = subject.prepare()

    def ours() -> Tensor:
        with torch.inference_mode():
            return upsampler(features, picture)

    def unfold() -> Tensor:
        with torch.inference_mode():
            return upsample_directly(upsampler, features, picture, subject.chunk)

    return {"ours": ours, "unfold": unfold}


def upsample_directly(upsampler: Upsampler, features: Tensor, picture: Tensor, chunk: int) -> Tensor:
    """Return what `Upsampler` returns, computed step by step as the formulas are written."""
    for stage in upsampler.stages():
        features = run_stage_directly(stage, features, picture, chunk)
    return features + 0.1 * upsampler.fixup_proj(features)


def run_stage_directly(stage: BilateralStage, features: Tensor, picture: Tensor, chunk: int) -> Tensor:
    """Return (1, C, 2h, 2w): enlarge, unfold the neighbours of every pixel, weigh and sum them."""
    radius, n_taps = stage.radius, 2 * stage.radius + 1
    shape = features.shape[2] * 2, features.shape[3] * 2
    weights = _weigh_directly(stage, functional.adaptive_avg_pool2d(picture, shape))
    summed = []
    for part in features.split(chunk, dim=1):
        enlarged = functional.interpolate(part, size=shape, mode="bicubic", align_corners=False)
        padded = functional.pad(enlarged, [radius] * 4, mode="reflect")
        near = functional.unfold(padded, n_taps).reshape(1, part.shape[1], n_taps**2, *shape)
        summed.append((near.mul_(weights[:, None])).sum(dim=2))
    return torch.cat(summed, dim=1)


def _weigh_directly(stage: BilateralStage, guidance: Tensor) -> Tensor:
    """Return (1, k * k, 2h, 2w)."""
    n_taps, shape = 2 * stage.radius + 1, guidance.shape[2:]
    keys = stage.range_proj(guidance)
    padded = functional.pad(keys, [stage.radius] * 4, mode="reflect")
    near = functional.unfold(padded, n_taps).reshape(1, keys.shape[1], n_taps**2, *shape)
    temperature = stage.range_temp.exp().clamp(1e-4, 1e4)
    by_range = torch.softmax(temperature * torch.einsum("bcphw,bchw->bphw", near, keys), dim=1)
    steps = torch.linspace(-1, 1, n_taps)
    by_distance = torch.exp(-(steps[:, None] ** 2 + steps**2) / (2 * stage.sigma_spatial**2))
    weights = by_range * by_distance.reshape(1, -1, 1, 1)
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-7)
    corrected: Tensor = weights + 0.1 * stage.fixup_proj(torch.cat([weights, guidance], dim=1))
    return corrected


def _ask_child(subject: Subject, side: str, threads: int) -> float:
    numbers = {"--channels": subject.channels, "--chunk": subject.chunk, "--threads": threads}
    options = [word for name, value in numbers.items() for word in (name, str(value))]
    command = [sys.executable, "-m", "benchmarks.jbu", "--peak-of", side, "--layout", subject.layout, *options]
    child = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    return float(child.stdout.split()[-1])


def measure_own_peak_mib(subject: Subject, side: str) -> float:
    """Run one side once; return by how many MiB it raised this process's highest memory, its result included."""
    run = make_sides(subject)[side]
    before = _read_peak_kib()
    run()
    return (_read_peak_kib() - before) * KIB / MIB


def _read_peak_kib() -> int:
    """Return the highest memory of this program; `ru_maxrss` would begin with that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
