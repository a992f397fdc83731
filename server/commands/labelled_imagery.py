"""The options that say where labelled imagery is and how to read it."""

from __future__ import annotations

import argparse
from pathlib import Path

from server.datasets.class_table import read_class_table
from server.datasets.options import Grouping, ReadingOptions
from server.datasets.reading import read_dataset
from server.datasets.scenes import Dataset
from server.errors import BadParameter

IMAGES, MASKS, CLASSES = "images", "masks", "classes.json"


def add_imagery_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help=f"holds {IMAGES}/, {MASKS}/ and perhaps {CLASSES}; or tell each"
    )
    parser.add_argument("--images", type=Path, metavar="PATH", help="folder of images, or one image")
    parser.add_argument("--masks", type=Path, metavar="PATH", help="folder of masks, COCO file, GeoJSON or GeoPackage")
    parser.add_argument("--classes", type=Path, metavar="FILE", help="JSON class table: name and value or colour")
    parser.add_argument("--class-attribute", metavar="NAME", help="attribute of polygons that names their class")
    parser.add_argument("--mask-suffix", default="", metavar="TEXT", help="what masks' names have in addition")
    parser.add_argument("--mask-threshold", type=int, metavar="N", help="grey masks are the class from this value on")
    parser.add_argument(
        "--areas-by",
        choices=("folder", "name", "location"),
        default="folder",
        help="how images belong to areas, which are never split: by folder (default), name, or place on the ground",
    )
    parser.add_argument("--area-pattern", default="", metavar="REGEX", help="finds the area in an image's name")
    parser.add_argument("--block-m", type=float, default=1000.0, metavar="X", help="side of areas by place, in metres")


def read_imagery(arguments: argparse.Namespace, class_name: str) -> Dataset:
    """Open the labelled imagery that the options name.

    Args:
        arguments: with the options of `add_imagery_options`.
        class_name: what labels without a class are called.

    Raises:
        BadParameter: images or labels are not named.
        BadDataset: they do not fit each other.
        NotARaster: an image cannot be opened.
    """
    folder: Path | None = arguments.data
    images = arguments.images or (folder / IMAGES if folder else None)
    masks = arguments.masks or (folder / MASKS if folder else None)
    if images is None or masks is None:
        raise BadParameter("Labelled imagery is missing; give --data, or --images and --masks.", "data")
    table = arguments.classes
    if table is None and folder is not None and (folder / CLASSES).is_file():
        table = folder / CLASSES
    options = ReadingOptions(
        class_table=None if table is None else read_class_table(table),
        threshold=arguments.mask_threshold,
        class_attribute=arguments.class_attribute,
        class_name=class_name,
        mask_suffix=arguments.mask_suffix,
        grouping=Grouping(arguments.areas_by, arguments.area_pattern, arguments.block_m),
    )
    return read_dataset(images, masks, options)
