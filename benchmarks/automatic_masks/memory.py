"""Peak memory of one generator, measured in a process of its own so that neither side inherits the other's pages."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.automatic_masks.images import speed_picture
from benchmarks.automatic_masks.networks import Subject
from benchmarks.automatic_masks.sides import make_ours, make_package
from server.segmentation.networks.loading import load_network
from server.segmentation.parameters import MaskGeneratorSettings
from server.settings import REPOSITORY

MIB = 1024 * 1024


def measure_peak_mib(subject: Subject, settings: MaskGeneratorSettings, device: torch.device) -> dict[str, float]:
    """Return, for "ours" and "package", the MiB that generating takes on top of the loaded network and the image."""
    peaks = {}
    for side in ("ours", "package"):
        told = {"side": side, "folder": str(subject.folder), "checkpoint": subject.checkpoint,
                "settings": dataclasses.asdict(settings), "device": device.type}  # fmt: skip
        command = [sys.executable, "-m", __name__, json.dumps(told)]
        child = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
        peaks[side] = float(child.stdout.split()[-1])
    return peaks


def main(arguments: Sequence[str]) -> int:
    """Be the child: load, generate once, print the peak in MiB."""
    parser = argparse.ArgumentParser(prog=f"python -m {__name__}", description=__doc__)
    parser.add_argument("told", type=json.loads)
    told = parser.parse_args(arguments).told
    device = torch.device(told["device"])
    network = load_network(Path(told["folder"]), told["checkpoint"], device)
    make = make_ours if told["side"] == "ours" else make_package
    generate: Callable[[Any], object] = make(network, MaskGeneratorSettings(**told["settings"]))
    rgb = speed_picture().rgb
    before = _start_peak(device)
    generate(rgb)
    print((_read_peak(device) - before) / MIB)
    return 0


def _start_peak(device: torch.device) -> int:
    """Forget earlier peaks; return the bytes in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")  # Linux: resets the high-water mark of resident memory
    return _status_bytes("VmRSS")


def _read_peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated() if device.type == "cuda" else _status_bytes("VmHWM")


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise LookupError(f"/proc/self/status has no {field}; peak memory can only be measured on Linux.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
