"""YOLO's text files: upright boxes as shares of the image, and YOLO-OBB's four corners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from server.datasets.detections.numbers import read_numbers, read_text, require_class
from server.datasets.detections.records import Box, Detection, corners_of, order_corners
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage

# Centre x and y, width, height; four corners.
N_BOX_NUMBERS, N_CORNER_NUMBERS = 4, 8
# Shares beyond this are pixels that somebody forgot to divide; boxes at the border may reach a little outside.
LARGEST_SHARE = 2.0


def parse_yolo(path: Path, image: SceneImage, classes: Sequence[str] | None) -> Iterator[Detection]:
    """Yield boxes from rows of class number, centre x, centre y, width and height as shares of the image.

    Args:
        path: the text file.
        image: of known size.
        classes: named by these numbers; None calls them "class 0" and so on.

    Raises:
        BadDataset: a row is something else, or a number has no class.
    """
    for source, class_name, numbers in _read_rows(path, classes, N_BOX_NUMBERS, "centre x, centre y, width, height"):
        x, y, width, height = numbers
        corners = corners_of(Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)) * image.size
        yield Detection(image.name, class_name, corners, is_difficult=False, source=source)


def parse_yolo_obb(path: Path, image: SceneImage, classes: Sequence[str] | None) -> Iterator[Detection]:
    """Yield boxes from rows of class number and x, y of four corners as shares of the image; see `parse_yolo`."""
    for source, class_name, numbers in _read_rows(path, classes, N_CORNER_NUMBERS, "x and y of four corners"):
        corners = order_corners(np.reshape(numbers, (4, 2)) * image.size)
        yield Detection(image.name, class_name, corners, is_difficult=False, source=source)


def _read_rows(
    path: Path, classes: Sequence[str] | None, n_numbers: int, meaning: str
) -> Iterator[tuple[str, str, list[float]]]:
    """Yield source, class name and shares of every row that is not empty."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        source = f"{path.name}, line {number}"
        if len(words) != n_numbers + 1:
            raise BadDataset(
                f"{source} has {len(words)} columns; expected the class number and {meaning}, which are "
                f"{n_numbers + 1}.",
                "boxes",
            )
        shares = read_numbers(words[1:], source)
        if max(map(abs, shares)) > LARGEST_SHARE:
            raise BadDataset(
                f"{source} holds {max(shares, key=abs):g}; YOLO's numbers are shares 0 to 1 of the image. Divide "
                "pixels by the image's width and height.",
                "boxes",
            )
        yield source, _name_class(words[0], classes, source), shares


def _name_class(word: str, classes: Sequence[str] | None, source: str) -> str:
    if not word.isdecimal():
        raise BadDataset(f'{source}: "{word[:40]}" is no class number; YOLO counts classes from 0.', "boxes")
    if classes is None:
        return f"class {int(word)}"
    if int(word) >= len(classes):
        raise BadDataset(
            f"{source}: class number {word} asked, but the list has {len(classes)} classes, counted from 0; add the "
            "missing names.",
            "classes",
        )
    return require_class(classes[int(word)], classes, source)
