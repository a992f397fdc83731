"""Masks for boxes of real sets: what goes in, what is kept and why not, and how masks of all prompts fit the truth.

The study of SAMRS on this project's data. Cars, trees and solar panels have boxes or points alone: their table counts.
The buildings of fAIr have footprints, from which boxes are made: their table compares. Region 3 was never trained on,
region 4 was.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.dataset_footprints import (
    DATA,
    OPEN_GATE,
    Compared,
    FindBoxes,
    build,
    compare,
    find_footprints,
    lay_out_boxes,
    list_regions,
    load_batch_network,
)
from server.datasets.building.settings import BuildSettings, read_prompt
from server.datasets.building.summary import BuildSummary
from server.segmentation.batch_prompts.prompts import BatchNetwork
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.networks.spinning import spin_briefly

REGIONS = (3, 4)
FINDERS: dict[bool, FindBoxes] = {False: find_footprints, True: partial(find_footprints, is_rotated=True)}
# Nothing tells images of one name with two endings apart, so these are copied to a folder of their own.
TREES = ("OSBS_029.png", "SOAP_061.png", "2019_YELL_2_541000_4977000_image_crop.png")


@dataclass(frozen=True)
class Prompting:
    """One way to ask.

    Attributes:
        title: for the table.
        prompt: as the command has it.
        is_rotated: boxes are the smallest rotated rectangles around the footprints.
        constrain: masks are cut to the boxes.
        multimask: several candidates.
    """

    title: str
    prompt: str
    is_rotated: bool = False
    constrain: bool = False
    multimask: bool = True


PROMPTINGS = (
    Prompting("horizontal box", "box"),
    Prompting("horizontal box, one mask", "box", multimask=False),
    Prompting("box around the rotated box", "box", is_rotated=True),
    Prompting("the same, masks cut to the rotated box", "box", is_rotated=True, constrain=True),
    Prompting("box around the rotated box + filled rotated box", "box+rotated-mask", is_rotated=True),
    Prompting("horizontal box + centre point", "box+point"),
    Prompting("horizontal box + filled box", "box+mask"),
    Prompting("horizontal box + centre point + filled box", "box+point+mask"),
    Prompting("filled rotated box alone", "rotated-mask", is_rotated=True),
    Prompting("filled horizontal box alone", "mask"),
    Prompting("centre point, best of three by rating and box", "point"),
    Prompting("centre point, one mask", "point", multimask=False),
)


@dataclass(frozen=True)
class Fit:
    """How masks fit the footprints they were asked for.

    Attributes:
        n_objects: footprints.
        instance_miou: mean IoU, 0 where there is no mask.
        area_miou: area in both over area in either, summed over all.
    """

    n_objects: int
    instance_miou: float
    area_miou: float


def main(arguments: Sequence[str]) -> int:
    """Print both tables as Markdown."""
    spin_briefly()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset_study", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the datasets stay, for the report")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    network = load_batch_network(chosen.ckpt_folder, chosen.checkpoint)
    with tempfile.TemporaryDirectory() as scratch:
        results = chosen.keep or Path(scratch) / "results"
        counts = count_sets(chosen.data, network, results, Path(scratch))
        print("\n".join(write_counts(counts)), flush=True)
        fits = {region: study(chosen.data, region, network, Path(scratch)) for region in REGIONS}
    print("\n".join(write_fits(fits)))
    if chosen.json:
        told = {
            str(region): {title: dataclasses.asdict(fit) for title, fit in found.items()}
            for region, found in fits.items()
        }
        kept = {
            title: {"in": item.n_in, "kept": item.n_kept, "rejected": item.rejected} for title, item in counts.items()
        }
        print(json.dumps({"sets": kept, "regions": told}))
    return 0


def count_sets(data: Path, network: BatchNetwork, results: Path, scratch: Path) -> dict[str, BuildSummary]:
    """Build a dataset of every set that has boxes or points, and of the footprints' boxes."""
    trees = scratch / "trees"
    trees.mkdir()
    for name in TREES:
        shutil.copy(data / "deepforest" / name, trees)
        shutil.copy((data / "deepforest" / name).with_suffix(".xml"), trees)
    cars, solar, naip = data / "aerial_cars_boxes", data / "solar_boxes_roboflow", data / "urban_trees_naip"
    sources = {
        "Cars from drones": (cars, cars, "yolo"),
        "Tree crowns": (trees, trees, "voc"),
        "Solar panels": (solar / "images", solar / "labels", "yolo"),
        "Urban trees, points": (naip / "images", naip / "csv", "csv"),
    }
    for region in REGIONS:
        boxes = lay_out_boxes(list_regions(data, [region]), scratch / f"counted{region}", find_footprints)
        sources[f"Buildings, region {region}"] = boxes
    return {
        title: build(network, source, BuildSettings(), results / title.lower().replace(", ", "-").replace(" ", "-"))
        for title, source in sources.items()
    }


def study(data: Path, region: int, network: BatchNetwork, scratch: Path) -> dict[str, Fit]:
    """Return how masks of every kind of prompt fit the footprints of a region, with the gate open."""
    images = list_regions(data, [region])
    sources = {
        is_rotated: lay_out_boxes(images, scratch / f"boxes{region}_{is_rotated}", find)
        for is_rotated, find in FINDERS.items()
    }
    fits = {}
    for number, item in enumerate(PROMPTINGS):
        settings = BuildSettings(
            prompt=read_prompt(item.prompt), multimask=item.multimask, constrain=item.constrain, gate=OPEN_GATE
        )
        out = scratch / f"region{region}_{number}"
        build(network, sources[item.is_rotated], settings, out)
        fits[item.title] = _sum_up(compare(out, images[0], FINDERS[item.is_rotated]))
    return fits


def _sum_up(compared: Iterable[Compared]) -> Fit:
    found = list(compared)
    common, either = sum(item.common_px for item in found), sum(item.either_px for item in found)
    return Fit(len(found), float(np.mean([item.iou for item in found])), common / either)


def write_counts(counts: dict[str, BuildSummary]) -> list[str]:
    """Return the first table."""
    lines = [
        "| set | images | boxes or points | not used | kept | rejected, and why |",
        "| --- | ---: | ---: | --- | ---: | --- |",
    ]
    for title, item in counts.items():
        unusable, rejected = _list(item.unusable) or "-", _list(item.rejected) or "-"
        share = f"{item.n_kept} ({item.n_kept / max(item.n_in, 1):.0%})"
        lines.append(f"| {title} | {item.n_images} | {item.n_in} | {unusable} | {share} | {rejected} |")
    return [*lines, ""]


def write_fits(fits: dict[int, dict[str, Fit]]) -> list[str]:
    """Return the second table."""
    heads = [f"region {region}, {next(iter(found.values())).n_objects} buildings" for region, found in fits.items()]
    lines = [
        "| prompt | " + " | ".join(f"{head}: instance mIoU | area mIoU" for head in heads) + " |",
        "| --- |" + " ---: | ---: |" * len(fits),
    ]
    for item in PROMPTINGS:
        figures = [fits[region][item.title] for region in fits]
        told = " | ".join(f"{figure.instance_miou:.3f} | {figure.area_miou:.3f}" for figure in figures)
        lines.append(f"| {item.title} | {told} |")
    return lines


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {reason.replace('_', ' ')}" for reason, number in counts.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
