"""`dataset-report`: numbers, figures and examples of a segmentation dataset, as one HTML file and PNG figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from server.commands.labelled_imagery import add_imagery_options, read_imagery
from server.datasets.class_table import read_class_table
from server.datasets.errors import BadDataset
from server.datasets.options import ReadingOptions
from server.datasets.reading import read_dataset
from server.datasets.report.figures import make_figures
from server.datasets.report.objects import CountedDataset
from server.datasets.report.page import Heading, render_page
from server.datasets.report.png import write_figures
from server.datasets.report.sources import WHOLE, SceneDataset, is_built, open_built
from server.datasets.report.statistics import Statistics, measure_dataset
from server.datasets.scenes import Dataset, Labels
from server.errors import BadParameter

OBJECT = "object"


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("dataset-report", help="numbers and figures of a dataset", description=__doc__)
    parser.add_argument(
        "dataset", nargs="?", type=Path, metavar="FOLDER", help="that build-dataset wrote, or one of images and masks"
    )
    add_imagery_options(parser)
    parser.add_argument("--truth", type=Path, metavar="PATH", help="labels of the same images to compare with")
    parser.add_argument("--truth-classes", type=Path, metavar="FILE", help="class table of masks given as --truth")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HTML; PNG figures go beside it")
    parser.add_argument("--size-cutoff", type=int, metavar="PX", help="where the distribution of mask sizes ends")
    parser.add_argument("--title", metavar="TEXT", help="of the report; by default the folder's name")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read every image of the dataset once and write the report.

    Raises:
        UserError: the dataset, the truth or an option is at fault.
    """
    if arguments.size_cutoff is not None and arguments.size_cutoff < 1:
        raise BadParameter(f"--size-cutoff is {arguments.size_cutoff}; give 1 pixel or more.", "size_cutoff")
    dataset, notes = _open(arguments)
    truth = _open_truth(arguments)
    with tqdm(total=len(dataset), unit="image") as bar:
        statistics = measure_dataset(dataset, truth, bar.update)
    if statistics.n_objects == 0:
        raise BadDataset("The dataset holds no objects, so there is nothing to tell.", "dataset")
    figures = make_figures(statistics, arguments.size_cutoff)
    place = arguments.dataset or arguments.data or arguments.masks
    heading = Heading(arguments.title or place.resolve().stem, f"Statistics of the dataset {place.name}", notes)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(render_page(statistics, heading, figures), encoding="utf-8")
    pictures = write_figures(figures, arguments.out.with_suffix(""))
    print(f"{arguments.out} tells of {len(dataset)} images with {statistics.n_objects} objects.")
    print(f"{len(pictures)} figures are in {arguments.out.with_suffix('')}.")
    if arguments.json:
        print(json.dumps(_tell(statistics)))
    return 0


def _open(arguments: argparse.Namespace) -> tuple[CountedDataset, list[str]]:
    """Return the dataset, and sentences about how it was read."""
    folder: Path | None = arguments.dataset
    if folder is not None and not folder.is_dir():
        raise BadDataset(f"{folder} is no folder; give the folder of a dataset, or --images and --masks.", "dataset")
    if folder is not None and is_built(folder):
        note = "" if arguments.images else "Examples show masks alone; --images FOLDER adds the ground around them."
        return open_built(folder, arguments.images), [note] if note else []
    arguments.data = arguments.data or folder
    dataset = read_imagery(arguments, OBJECT)
    return SceneDataset(dataset), list(dataset.messages)


def _open_truth(arguments: argparse.Namespace) -> dict[str, Callable[[], Labels]]:
    """Return what reads the true objects of an image, by its name."""
    if arguments.truth is None:
        return {}
    images = arguments.images or (arguments.data / "images" if arguments.data else None)
    if images is None:
        raise BadParameter("The truth belongs to images; give their folder as --images.", "images")
    table = None if arguments.truth_classes is None else read_class_table(arguments.truth_classes)
    options = ReadingOptions(class_table=table, mask_suffix=arguments.mask_suffix, max_side_px=WHOLE)
    dataset = read_dataset(images, arguments.truth, options)
    return {name: _make_reader(dataset, index) for index, name in enumerate(dataset.names)}


def _make_reader(dataset: Dataset, index: int) -> Callable[[], Labels]:
    return lambda: dataset[index].objects


def _tell(statistics: Statistics) -> dict[str, object]:
    sizes = statistics.sizes_px
    told: dict[str, object] = {
        "images": len(statistics.objects_per_image),
        "instances": statistics.n_objects,
        "instances_by_class": {name: len(counts.sizes_px) for name, counts in statistics.by_class.items()},
        "pixels_by_class": {name: sum(counts.sizes_px) for name, counts in statistics.by_class.items()},
        "median_size_px": float(np.median(sizes)),
        "variation_of_sizes": round(float(sizes.std() / sizes.mean()), 4),
    }
    for key, values in (("mean_box_iou", statistics.box_ious), ("mean_truth_iou", statistics.truth_ious)):
        told |= {key: round(float(values.mean()), 4)} if len(values) else {}
    return told
