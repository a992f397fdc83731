"""The part of `evaluate` that compares finished class rasters with masks, whatever made them."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence

from tqdm import tqdm

from server.commands.labelled_imagery import IMAGES, read_imagery
from server.datasets.class_table import make_class_table
from server.datasets.options import ReadingOptions
from server.datasets.reading import read_dataset

MARKDOWN_FILE, JSON_FILE = "classes.md", "classes.json"


def compare_rasters(arguments: argparse.Namespace, class_name: str) -> None:
    """Print how well the rasters in `arguments.predicted` agree with the masks, and write it where asked for.

    Args:
        arguments: of the command.
        class_name: what labels without a class are called.

    Raises:
        BadParameter: images or masks are not named.
        BadDataset: images, masks and rasters do not fit each other.
        NotARaster: a file cannot be read.
    """
    truth = read_imagery(arguments, class_name)
    images = arguments.images or arguments.data / IMAGES
    predicted = read_dataset(images, arguments.predicted, _read_as(truth.class_names))
    from server.training.evaluation.class_maps import compare_class_maps, render_class_table

    with tqdm(total=len(truth), unit="image") as bar:
        scores = compare_class_maps(truth, predicted, arguments.tolerance_px, lambda _: bar.update())
    table = render_class_table(scores)
    print(f"Pixel scores: of all pixels together / mean of images. Boundaries within {arguments.tolerance_px:g} px.")
    print(table)
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / MARKDOWN_FILE).write_text(table, encoding="utf-8")
        rows = [dataclasses.asdict(item) for item in scores]
        (arguments.out / JSON_FILE).write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _read_as(class_names: Sequence[str]) -> ReadingOptions:
    """Return how class rasters are read: 0 for none, then the classes in order; of one class also black and white."""
    if len(class_names) == 1:
        return ReadingOptions(class_name=class_names[0], mask_kind="classes")
    return ReadingOptions(
        class_table=make_class_table([{"name": name, "value": n} for n, name in enumerate(class_names, 1)])
    )
