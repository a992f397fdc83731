"""Boxes or points in CSV files with named columns: one table of all images, or one for each."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.datasets.detections.label_files import ListedDetections
from server.datasets.detections.names import ImageNames
from server.datasets.detections.numbers import read_numbers, read_text, require_class
from server.datasets.detections.records import Detection, corners_of, sort_box
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage
from server.datasets.scenes import list_names

BOX_COLUMNS, POINT_COLUMNS = ("xmin", "ymin", "xmax", "ymax"), ("x", "y")
IMAGE_COLUMNS = ("image", "image_path", "filename", "file_name")
CLASS_COLUMNS = ("class", "label", "name")
UNNAMED_CLASS = "object"
EXPECTED = (
    f'"{", ".join(BOX_COLUMNS)}" or "{", ".join(POINT_COLUMNS)}" in pixels, "{CLASS_COLUMNS[0]}" (or '
    f'"{CLASS_COLUMNS[1]}"), and in a table of all images "{IMAGE_COLUMNS[0]}" (or "{IMAGE_COLUMNS[1]}")'
)


@dataclass(frozen=True)
class _Row:
    """One line: where it stands and its values by lower-case column."""

    source: str
    values: Mapping[str, str]

    def find(self, columns: Sequence[str]) -> str | None:
        return next((self.values[column] for column in columns if column in self.values), None)


def parse_csv(path: Path, image: SceneImage, classes: Sequence[str] | None) -> Iterator[Detection]:
    """Yield the rows of a table that belongs to one image; without a class column they are called "object".

    Raises:
        BadDataset: columns are missing, a number is none, or a class is not in the list.
    """
    for row in _read_rows(path):
        yield _describe(row, image.name, classes)


def open_csv(path: Path, names: ImageNames, classes: Sequence[str] | None) -> ListedDetections:
    """Read a table of all images.

    Raises:
        BadDataset: columns are missing, a number is none, a class is not in the list, or none of the images exists.
    """
    by_image: dict[str, list[Detection]] = {}
    absent: dict[str, str] = {}  # in order, each with the first line that names it
    for row in _read_rows(path):
        written = row.find(IMAGE_COLUMNS)
        if not written:
            raise BadDataset(f"{row.source} names no image; expected columns {EXPECTED}.", "boxes")
        key = names.find(written)
        if key is None:
            absent.setdefault(written, row.source)
        else:
            by_image.setdefault(key, []).append(_describe(row, key, classes))
    return list_detections(by_image, absent, names, path)


def list_detections(
    by_image: Mapping[str, Sequence[Detection]], absent: Mapping[str, str], names: ImageNames, path: Path
) -> ListedDetections:
    """Return a reader of what one file holds.

    Args:
        by_image: detections by the name of the image.
        absent: images that are named and not there, and where they are named first.
        names: of the images.
        path: the file.

    Raises:
        BadDataset: there is none of the images.
    """
    if not by_image:
        raise BadDataset(
            f"{path.name} speaks of none of the images {list_names(names.images)}; it names {list_names(absent)}.",
            "boxes",
        )
    notes = []
    if absent:
        first = next(iter(absent))
        notes.append(
            f"{len(absent)} images named in {path.name} do not exist and are left out: {list_names(absent)} "
            f"(the first one at {absent[first]})."
        )
    return ListedDetections(by_image, [*notes, *names.tell_unlabelled(by_image)])


def _read_rows(path: Path) -> Iterator[_Row]:
    reader = csv.reader(read_text(path).splitlines())
    columns = [name.strip().lower() for name in next(reader, [])]
    if not (set(BOX_COLUMNS) <= set(columns) or set(POINT_COLUMNS) <= set(columns)):
        raise BadDataset(
            f"{path.name}, line 1 has the columns {list_names(columns)}; expected named columns: {EXPECTED}.", "boxes"
        )
    for words in reader:
        if not any(word.strip() for word in words):
            continue
        source = f"{path.name}, line {reader.line_num}"
        if len(words) != len(columns):
            raise BadDataset(f"{source} has {len(words)} values, but there are {len(columns)} columns.", "boxes")
        yield _Row(source, dict(zip(columns, words, strict=True)))


def _describe(row: _Row, image: str, classes: Sequence[str] | None) -> Detection:
    written = row.find(CLASS_COLUMNS)
    name = require_class(UNNAMED_CLASS if written is None else written, classes, row.source)
    is_difficult = row.values.get("difficult", "0").strip() not in ("", "0")
    return Detection(image, name, _read_corners(row), is_difficult, row.source)


def _read_corners(row: _Row) -> NDArray[np.float64]:
    columns = BOX_COLUMNS if set(BOX_COLUMNS) <= row.values.keys() else POINT_COLUMNS
    numbers = read_numbers([row.values[column] for column in columns], row.source)
    return np.array([numbers], np.float64) if columns == POINT_COLUMNS else corners_of(sort_box(*numbers))
