"""The command `python -m benchmarks.automatic_masks`: measures what is asked for, prints tables and one JSON line."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.automatic_masks.images import parity_pictures, speed_picture
from benchmarks.automatic_masks.memory import measure_peak_mib
from benchmarks.automatic_masks.networks import Subject, prepared_subject
from benchmarks.automatic_masks.parity import measure_parity
from benchmarks.automatic_masks.speed import measure_bf16, measure_speed
from benchmarks.automatic_masks.stages import measure_stages
from server.segmentation.networks.loading import choose_device
from server.segmentation.parameters import MaskGeneratorSettings

PARTS = ("parity", "speed", "memory", "stages")
QUICK_POINTS_PER_SIDE = 8
# The package takes minutes per image for a ViT on two cores, so its grids for parity and its number of pairs are small.
PARITY_POINTS_PER_SIDE = {"embedded": 16, "vit_b": 6, "vit_h": 6}
PAIRS = {"embedded": 5, "vit_b": 1, "vit_h": 1}
CUDA_PAIRS = 5

Figures = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Measure every network asked for; print tables and, with --json, one JSON object as the last line."""
    chosen = _parse(arguments)
    device = choose_device("cuda" if chosen.cuda else "cpu")
    figures: Figures = {"device": device.type, "threads": torch.get_num_threads(), "torch": torch.__version__,
                        "points_per_side": _speed_points(chosen)}  # fmt: skip
    probe = speed_picture()
    for name in chosen.networks:
        with prepared_subject(name, probe.rgb, device) as subject:
            figures[name] = measure_network(subject, device, chosen)
    figures |= headline(figures, chosen.networks)
    print_figures(figures)
    if chosen.json:
        print(json.dumps(figures))
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.automatic_masks", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_POINTS_PER_SIDE} clicks per side, two images")
    parser.add_argument("--networks", type=_names(("embedded", "vit_b", "vit_h")), metavar="NAME,NAME")
    parser.add_argument("--parts", type=_names(PARTS), default=PARTS, metavar="PART,PART", help=", ".join(PARTS))
    parser.add_argument("--pairs", type=int, help="timed pairs per network, after one that does not count")
    parser.add_argument("--cuda", action="store_true", help="measure on the GPU, with ViT-H too")
    chosen = parser.parse_args(arguments)
    if chosen.networks is None:
        chosen.networks = ("embedded", "vit_b", "vit_h") if chosen.cuda else ("embedded", "vit_b")
    return chosen


def _names(known: Sequence[str]) -> Any:
    """Return a parser of comma-separated names out of `known`."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return names

    return parse


def _speed_points(chosen: argparse.Namespace) -> int:
    return QUICK_POINTS_PER_SIDE if chosen.quick else MaskGeneratorSettings().points_per_side


def measure_network(subject: Subject, device: torch.device, chosen: argparse.Namespace) -> Figures:
    """Return the figures of the parts asked for, for one network."""
    network = subject.load(device)
    picture = speed_picture()
    settings = dataclasses.replace(subject.default_settings, points_per_side=_speed_points(chosen))
    # Memory and stages need masks to work on: at the defaults the embedded network may find none.
    busy = dataclasses.replace(subject.thresholds, points_per_side=_speed_points(chosen))
    figures: Figures = {"pred_iou_thresh": settings.pred_iou_thresh,
                        "stability_score_thresh": settings.stability_score_thresh,
                        "third_passes": [busy.pred_iou_thresh, busy.stability_score_thresh]}  # fmt: skip
    if "parity" in chosen.parts:
        pictures = parity_pictures()[: 2 if chosen.quick else None]
        points = min(PARITY_POINTS_PER_SIDE[subject.name], _speed_points(chosen))
        cells = measure_parity(subject, network, pictures, points)
        figures["parity"] = [dataclasses.asdict(cell) for cell in cells]
    if "speed" in chosen.parts:
        pairs = chosen.pairs or (CUDA_PAIRS if chosen.cuda else PAIRS[subject.name])
        figures["speed"] = measure_speed(network, settings, picture.rgb, pairs)
        if busy != settings:
            figures["speed_third_passes"] = measure_speed(network, busy, picture.rgb, pairs)
        figures["bf16"] = measure_bf16(network, settings, picture.rgb, pairs)
    if "memory" in chosen.parts:
        figures["peak_mib"] = measure_peak_mib(subject, busy, device)
    if "stages" in chosen.parts:
        figures["stages"] = measure_stages(network, busy, picture.rgb, device)
    return figures


def headline(figures: Figures, names: Sequence[str]) -> Figures:
    """Return the figures that are asked for by name; None for what was not measured."""
    shares = [cell["match_share"] for name in names for cell in figures[name].get("parity", [])]
    memory = [peak["ours"] / peak["package"] for name in names if (peak := figures[name].get("peak_mib"))]
    bf16 = figures.get("vit_b", {}).get("bf16", {})
    return {
        **{f"{name}_speedup": figures.get(name, {}).get("speed", {}).get("speedup")
           for name in ("embedded", "vit_b", "vit_h")},
        "vit_b_bf16_speedup": bf16.get("speedup"),
        "embedded_speedup_third_passes": figures.get("embedded", {}).get("speed_third_passes", {}).get("speedup"),
        "match_share": round(min(shares), 4) if shares else None,
        "memory_ratio": round(max(memory), 3) if memory else None,
    }  # fmt: skip


def print_figures(figures: Figures, indent: str = "") -> None:
    """Print nested figures one a line; the parity table was printed while it was measured."""
    for key, value in figures.items():
        if isinstance(value, dict):
            print(f"{indent}{key}")
            print_figures(value, indent + "  ")
        elif key != "parity":
            print(f"{indent}{key:24} {value}")
