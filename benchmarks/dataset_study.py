"""Masks for boxes of real sets: what goes in, what is kept and why not, and how masks of all prompts fit the truth.

The study of SAMRS on this project's data. Cars, trees and solar panels have boxes or points alone: their table counts.
The buildings of fAIr have footprints, from which boxes are made: their table compares. Region 3 was never trained on,
region 4 was.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from server.datasets.building.building import DatasetBuilder
from server.datasets.building.data_sheet import Making, Provenance
from server.datasets.building.layout import Layout
from server.datasets.building.opening import open_source
from server.datasets.building.records import read_record
from server.datasets.building.settings import BuildSettings, Gate, read_prompt
from server.datasets.building.summary import BuildSummary
from server.rasters.label_reader import LabelReader
from server.rasters.windows import PixelWindow
from server.segmentation.batch_prompts.network import BatchPredictor
from server.segmentation.batch_prompts.prompts import BatchNetwork
from server.segmentation.model_store import ModelStore
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.networks.spinning import spin_briefly

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
MOSAICS = Path("fair_hot_buildings") / "mosaics_z20"
REGIONS = (3, 4)
MIN_AREA_PX = 100
EMBEDDING_CACHE_BYTES = 1 << 28
OPEN_GATE = Gate(0.0, 0.0, 0.0, 0.0, float("inf"))
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


@dataclass(frozen=True, eq=False)
class Footprint:
    """A building.

    Attributes:
        id: its value in the map of footprints.
        corners: float64 (4, 2) of the rectangle around it.
    """

    id: int
    corners: NDArray[np.float64]


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
    store = ModelStore(chosen.ckpt_folder, "auto", EMBEDDING_CACHE_BYTES)
    network = BatchPredictor(store.make_predictor(chosen.checkpoint), nullcontext)
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
    asked: dict[str, Callable[[Path], BuildSummary]] = {
        "Cars from drones": lambda out: _build(network, (cars, cars, "yolo"), BuildSettings(), out),
        "Tree crowns": lambda out: _build(network, (trees, trees, "voc"), BuildSettings(), out),
        "Solar panels": lambda out: _build(network, (solar / "images", solar / "labels", "yolo"), BuildSettings(), out),
        "Urban trees, points": lambda out: _build(
            network, (naip / "images", naip / "csv", "csv"), BuildSettings(), out
        ),
    }
    for region in REGIONS:
        asked[f"Buildings, region {region}"] = lambda out, region=region: _build(
            network, _write_boxes(data, region, scratch, is_rotated=False), BuildSettings(), out
        )
    return {
        title: build(results / title.lower().replace(", ", "-").replace(" ", "-")) for title, build in asked.items()
    }


def study(data: Path, region: int, network: BatchNetwork, scratch: Path) -> dict[str, Fit]:
    """Return how masks of every kind of prompt fit the footprints of a region, with the gate open."""
    fits = {}
    for number, item in enumerate(PROMPTINGS):
        source = _write_boxes(data, region, scratch, is_rotated=item.is_rotated)
        settings = BuildSettings(
            prompt=read_prompt(item.prompt), multimask=item.multimask, constrain=item.constrain, gate=OPEN_GATE
        )
        out = scratch / f"region{region}_{number}"
        _build(network, source, settings, out)
        fits[item.title] = _compare(out, data, region, is_rotated=item.is_rotated)
    return fits


def _build(network: BatchNetwork, source: tuple[Path, Path, str], settings: BuildSettings, out: Path) -> BuildSummary:
    making = Making(source[2], "study", "", "", "one by one")
    return DatasetBuilder(open_source(*source, None, None), settings, making, out).build(network, Provenance())


def _write_boxes(data: Path, region: int, scratch: Path, *, is_rotated: bool) -> tuple[Path, Path, str]:
    """Write a region's boxes as DOTA has them; return images, labels and format."""
    labels = scratch / f"boxes{region}_{'rotated' if is_rotated else 'upright'}"
    labels.mkdir(exist_ok=True)
    rows = [
        f"{' '.join(f'{value:.2f}' for value in footprint.corners.ravel())} building 0"
        for footprint in _read_footprints(data, region, is_rotated=is_rotated)[0]
    ]
    (labels / f"region{region}_1.txt").write_text("\n".join(rows), encoding="utf-8")
    return data / MOSAICS / f"region{region}_1.tif", labels / f"region{region}_1.txt", "dota"


def _read_footprints(data: Path, region: int, *, is_rotated: bool) -> tuple[list[Footprint], NDArray[np.int64]]:
    """Return footprints of at least 100 pixels with their rectangles, and the map of ids."""
    with LabelReader(data / MOSAICS / f"region{region}_1_instances.tif") as reader:
        ids = np.asarray(reader.read(PixelWindow(0, 0, reader.width, reader.height)), np.int64)
    return list(_find_rectangles(ids, is_rotated=is_rotated)), ids


def _find_rectangles(ids: NDArray[np.int64], *, is_rotated: bool) -> Iterator[Footprint]:
    for number in np.unique(ids[ids > 0]).tolist():
        rows, cols = np.nonzero(ids == number)
        if len(rows) < MIN_AREA_PX:
            continue
        x0, y0, x1, y1 = cols.min(), rows.min(), cols.max() + 1, rows.max() + 1
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)
        if is_rotated:
            edges = np.concatenate([np.stack([cols + dx, rows + dy], axis=1) for dx in (0, 1) for dy in (0, 1)])
            corners = cv2.boxPoints(cv2.minAreaRect(edges.astype(np.float32))).astype(np.float64)
        yield Footprint(number, corners)


def _compare(out: Path, data: Path, region: int, *, is_rotated: bool) -> Fit:
    """Compare every mask with the footprint whose box it was asked with, known by the middle of its corners."""
    footprints, ids = _read_footprints(data, region, is_rotated=is_rotated)
    middles = np.array([footprint.corners.mean(axis=0) for footprint in footprints])
    common, either = np.zeros(len(footprints)), np.array([np.count_nonzero(ids == item.id) for item in footprints])
    either = either.astype(np.float64)
    for annotation in read_record(Layout(out), f"region{region}_1").annotations:
        middle = np.mean(annotation["corners"], axis=0)
        index = int(np.linalg.norm(middles - middle, axis=1).argmin())
        mask = run_lengths.decode(annotation["segmentation"]).astype(bool)
        truth = ids == footprints[index].id
        common[index], either[index] = np.count_nonzero(mask & truth), np.count_nonzero(mask | truth)
    return Fit(len(footprints), float((common / either).mean()), float(common.sum() / either.sum()))


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
