"""Thresholds of the quality gate: which masks they reject, known by the footprints whose boxes were asked with.

Masks of the default prompt with the gate open. Exact boxes of footprints leave a gate next to nothing to find, so boxes
come as detectors give them: every side moved by a tenth of the box's length there (standard deviation), and for every
four a false one of the same size where there is no building. Thresholds are chosen on regions 1, 2 and 4 of fAIr, and
judged on region 3 and Banepa, which no checkpoint was trained on. A mask is bad below an IoU of 0.5 with its footprint,
as every mask of a false box is, and good over 0.75; what lies between belongs to neither. Precision is the share of bad
ones among the bad and good ones that are rejected, recall the share of the bad ones that are.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.dataset_footprints import (
    DATA,
    OPEN_GATE,
    FindBoxes,
    Footprint,
    OutlinedImage,
    build,
    compare,
    find_footprints,
    lay_out_boxes,
    list_banepa,
    list_regions,
    load_batch_network,
)
from server.datasets.building.settings import BOX, BuildSettings, Gate
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.networks.spinning import spin_briefly

BAD, GOOD = 0.5, 0.75
SIDE_MOVED, EXACT_PER_FALSE, N_TRIES = 0.1, 4, 200
CHOSEN_ON, JUDGED_ON = "regions 1, 2, 4", ("region 3", "Banepa")
# What the product began with: all but what is plainly wrong.
WIDE_GATE = Gate(0.5, 0.7)
RATINGS = tuple(np.round(np.arange(0.5, 0.97, 0.02), 2).tolist())
STABILITIES = tuple(np.round(np.arange(0.7, 0.97, 0.02), 2).tolist())
BOX_IOUS = tuple(np.round(np.arange(0.3, 0.86, 0.05), 2).tolist())
RATIOS = ((0.1, 1.5), (0.2, 1.5), (0.3, 1.2), (0.4, 1.2), (0.5, 1.1))


@dataclass(frozen=True, eq=False)
class Masks:
    """What a gate sees of the masks of a set, and what it does not.

    Attributes:
        seen: float64 (N, 4), predicted IoU, stability, IoU of boxes, ratio of areas.
        ious: float64 (N,), with the footprint.
    """

    seen: NDArray[np.float64]
    ious: NDArray[np.float64]

    def reject(self, gate: Gate) -> NDArray[np.bool_]:
        """Return bool (N,): what a gate rejects."""
        lowest = (*gate.min_ratings(BOX), gate.min_box_iou, gate.min_area_ratio)
        passed = (self.seen >= lowest).all(axis=1) & (self.seen[:, 3] <= gate.max_area_ratio)
        return np.asarray(~passed)

    def judge(self, gate: Gate) -> Rejecting:
        """Return what a gate does."""
        rejected, bad, good = self.reject(gate), self.ious < BAD, self.ious > GOOD
        return Rejecting(
            n_bad=int(bad.sum()),
            n_good=int(good.sum()),
            bad_rejected=int((rejected & bad).sum()),
            good_rejected=int((rejected & good).sum()),
            n_rejected=int(rejected.sum()),
        )


@dataclass(frozen=True)
class Rejecting:
    """What a gate does to masks.

    Attributes:
        n_bad: masks below an IoU of 0.5.
        n_good: masks over an IoU of 0.75.
        bad_rejected: of the bad ones.
        good_rejected: of the good ones.
        n_rejected: of all.
    """

    n_bad: int
    n_good: int
    bad_rejected: int
    good_rejected: int
    n_rejected: int

    @property
    def precision(self) -> float:
        """Share of bad ones among the bad and good ones that are rejected; NaN where none is."""
        both = self.bad_rejected + self.good_rejected
        return self.bad_rejected / both if both else math.nan

    @property
    def recall(self) -> float:
        """Share of the bad ones that are rejected; NaN where there is none."""
        return self.bad_rejected / self.n_bad if self.n_bad else math.nan

    @property
    def good_lost(self) -> float:
        """Share of the good ones that are rejected."""
        return self.good_rejected / self.n_good if self.n_good else math.nan


def main(arguments: Sequence[str]) -> int:
    """Print a table of gates, for boxes of a detector and for exact ones."""
    spin_briefly()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset_gate", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="what was measured of every mask, as NPZ; read again")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    masks = _read(chosen.keep) if chosen.keep and chosen.keep.is_file() else measure_sets(chosen)
    if chosen.keep:
        arrays = {f"{title}|{key}": value for title, item in masks.items() for key, value in vars(item).items()}
        np.savez(chosen.keep, **arrays)
    gates = {"open wide": WIDE_GATE, "default": Gate(), "best on regions 1, 2, 4": choose(masks[CHOSEN_ON])}
    for line in write_table(gates, masks):
        print(line)
    if chosen.json:
        told = {name: {title: _tell(item.judge(gate)) for title, item in masks.items()} for name, gate in gates.items()}
        print(json.dumps({"gates": {name: vars(gate) for name, gate in gates.items()}, "sets": told}))
    return 0


def measure_sets(chosen: argparse.Namespace) -> dict[str, Masks]:
    """Return the masks of all sets by title, of a detector's boxes and of exact ones."""
    network = load_batch_network(chosen.ckpt_folder, chosen.checkpoint)
    sets = {
        CHOSEN_ON: list_regions(chosen.data, (1, 2, 4)),
        JUDGED_ON[0]: list_regions(chosen.data, (3,)),
        JUDGED_ON[1]: list_banepa(chosen.data),
    }
    finders: dict[str, FindBoxes] = {"": detect, ", exact boxes": find_footprints}
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind, find in finders.items():
            for title, images in sets.items():
                out = Path(scratch) / f"{title}{kind}"
                source = lay_out_boxes(images, out / "boxes", find)
                build(network, source, BuildSettings(gate=OPEN_GATE), out / "built")
                found[f"{title}{kind}"] = _read_masks(out / "built", images, find)
                print(f"measured {title}{kind}", flush=True)
    return found


def detect(ids: NDArray[np.int64]) -> Iterator[Footprint]:
    """Yield boxes as a detector might give them: near the footprints, and some where there is nothing."""
    rng = np.random.default_rng(0)
    height, width = ids.shape
    for number, footprint in enumerate(find_footprints(ids)):
        (x0, y0), (x1, y1) = footprint.corners[0], footprint.corners[2]
        across, down = rng.normal(0, SIDE_MOVED, (2, 2)) * ((x1 - x0,), (y1 - y0,))
        left, right = np.clip((x0 + across[0], x1 + across[1]), 0, width)
        top, bottom = np.clip((y0 + down[0], y1 + down[1]), 0, height)
        yield Footprint(footprint.id, _corners(left, top, right, bottom))
        if number % EXACT_PER_FALSE == 0:
            yield from _find_nothing(ids, int(x1 - x0), int(y1 - y0), rng)


def _find_nothing(ids: NDArray[np.int64], width: int, height: int, rng: np.random.Generator) -> Iterator[Footprint]:
    """Yield a box of a size where there is no building, unless such a place is hard to find."""
    for _ in range(N_TRIES):
        x, y = (
            int(rng.integers(0, max(side - length, 1)))
            for side, length in zip(ids.shape[::-1], (width, height), strict=True)
        )
        if not ids[y : y + height, x : x + width].any():
            yield Footprint(0, _corners(x, y, x + width, y + height))
            return


def _corners(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def _read_masks(out: Path, images: Sequence[OutlinedImage], find: FindBoxes) -> Masks:
    rows, ious = [], []
    for item in images:
        for compared in compare(out, item, find):
            annotation = compared.annotation
            (x0, y0), (x1, y1) = annotation["corners"][0], annotation["corners"][2]
            ratio = annotation["area"] / ((x1 - x0) * (y1 - y0))
            rows.append((annotation["score"], annotation["stability_score"], annotation["box_iou"], ratio))
            ious.append(compared.iou)
    return Masks(np.array(rows), np.array(ious))


def _read(path: Path) -> dict[str, Masks]:
    with np.load(path) as arrays:
        titles = dict.fromkeys(key.partition("|")[0] for key in arrays)
        return {title: Masks(arrays[f"{title}|seen"], arrays[f"{title}|ious"]) for title in titles}


def choose(masks: Masks) -> Gate:
    """Return the gate that rejects the most bad masks and no good one; of equals the one that rejects the least."""
    gates = (
        Gate(rating, stability, box_iou, *ratios)
        for rating, stability, box_iou, ratios in itertools.product(RATINGS, STABILITIES, BOX_IOUS, RATIOS)
    )
    judged = ((gate, masks.judge(gate)) for gate in gates)
    harmless = ((gate, found) for gate, found in judged if not found.good_rejected)
    return max(harmless, key=lambda row: (row[1].bad_rejected, -row[1].n_rejected))[0]


def write_table(gates: Mapping[str, Gate], masks: Mapping[str, Masks]) -> list[str]:
    """Return a Markdown table."""
    lines = [
        "| gate | set | masks | bad | good | rejected | precision | recall | good ones lost |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, gate in gates.items():
        for title, item in masks.items():
            found = item.judge(gate)
            shares = " | ".join(f"{value:.2f}" for value in (found.precision, found.recall, found.good_lost))
            counts = f"{len(item.ious)} | {found.n_bad} | {found.n_good} | {found.n_rejected}"
            lines.append(f"| {name} | {title} | {counts} | {shares} |")
    told = {name: (*gate.min_ratings(BOX), *list(vars(gate).values())[2:]) for name, gate in gates.items()}
    rows = [
        f"- {name}: predicted IoU, stability, IoU of boxes, ratios of areas {values}" for name, values in told.items()
    ]
    return [*lines, "", *rows]


def _tell(found: Rejecting) -> dict[str, object]:
    shares = {"precision": found.precision, "recall": found.recall, "good_lost": found.good_lost}
    return {**vars(found), **{key: None if math.isnan(value) else round(value, 4) for key, value in shares.items()}}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
