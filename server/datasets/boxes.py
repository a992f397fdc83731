"""Images whose objects are known by their boxes alone, as detectors are trained with: YOLO's text files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage, find_files, open_image
from server.datasets.options import ReadingOptions
from server.datasets.scenes import list_names

# Of a row: class, then centre x, centre y, width and height as shares of the image.
N_NUMBERS = 5


@dataclass(frozen=True)
class BoxedImage:
    """An image and the boxes of its objects.

    Attributes:
        image: the whole file, not yet read.
        boxes_xyxy: float64 (N, 4), x0, y0, x1, y1 in pixels.
        classes: int64 (N,), from 0, as in the file.
    """

    image: SceneImage
    boxes_xyxy: NDArray[np.float64]
    classes: NDArray[np.int64]

    @property
    def name(self) -> str:
        """Name of the image."""
        return self.image.name

    def read_rgb(self) -> NDArray[np.uint8]:
        """Read the image, uint8 (H, W, 3).

        Raises:
            NotARaster: the file cannot be read.
        """
        return self.image.read("percentile").rgb


def read_boxed_images(images: Path, labels: Path) -> list[BoxedImage]:
    """Pair images with YOLO's text files by their names; images without a file are left out.

    Args:
        images: folder of images.
        labels: folder of text files; may be the same.

    Raises:
        BadDataset: there are no pairs, or a file is not YOLO's.
        NotARaster: an image cannot be opened.
    """
    if not images.is_dir():
        raise BadDataset(f"{images} does not exist; give a folder.", "images")
    files = find_files(images)
    pairs = {key: labels / f"{key}.txt" for key in files if (labels / f"{key}.txt").is_file()}
    if not pairs:
        raise BadDataset(f"None of the images {list_names(files)} has a text file of its name in {labels}.", "labels")
    options = ReadingOptions(max_side_px=2**31)  # boxes are kept whole, so images are too
    found = []
    for key, path in pairs.items():
        for image in open_image(files[key], key, images, options):
            classes, boxes_xyxy = _read_boxes(path, image.size)
            found.append(BoxedImage(image, boxes_xyxy, classes))
    return found


def _read_boxes(path: Path, size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return classes (N,) and boxes (N, 4) in pixels of an image of `size` (width, height)."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    numbers = _as_numbers(rows)
    if numbers is None or not ((numbers[:, 1:] >= 0) & (numbers[:, 1:] <= 1)).all():
        raise BadDataset(
            f"{path.name} is not a YOLO file; expected rows of a class, and centre x, centre y, width and height as "
            "shares 0 to 1 of the image.",
            "labels",
        )
    centre, extent = numbers[:, 1:3] * size, numbers[:, 3:5] * size
    return numbers[:, 0].astype(np.int64), np.hstack([centre - extent / 2, centre + extent / 2])


def _as_numbers(rows: Sequence[Sequence[str]]) -> NDArray[np.float64] | None:
    """Return rows as float64 (N, 5), None where they are none."""
    try:
        numbers = np.array(rows, np.float64).reshape(-1, N_NUMBERS)
    except ValueError:
        return None
    return numbers if len(numbers) == len(rows) else None
