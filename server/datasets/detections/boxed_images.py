"""Images whose objects are known by boxes alone, as evaluation asks for them: whole, with all their boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.datasets.detections.names import ImageNames
from server.datasets.detections.opening import open_detections
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage, find_files, open_image
from server.datasets.options import ReadingOptions

# Boxes are kept whole, so images are too.
WHOLE = ReadingOptions(max_side_px=2**31)


@dataclass(frozen=True)
class BoxedImage:
    """An image and the boxes of its objects.

    Attributes:
        image: the whole file, not yet read.
        boxes_xyxy: float64 (N, 4), x0, y0, x1, y1 in pixels, in the order of the labels.
    """

    image: SceneImage
    boxes_xyxy: NDArray[np.float64]

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


def read_boxed_images(images: Path, labels: Path, kind: str) -> list[BoxedImage]:
    """Bring images and their boxes together; images without labels are left out.

    Args:
        images: folder of images.
        labels: see `open_detections`.
        kind: format of the labels.

    Raises:
        BadDataset: there are no pairs, or the labels are not in their format.
        NotARaster: an image cannot be opened.
    """
    if not images.is_dir():
        raise BadDataset(f"{images} does not exist; give a folder.", "images")
    return pair_boxed_images(find_files(images), images, labels, kind)


def pair_boxed_images(files: Mapping[str, Path], root: Path, labels: Path, kind: str) -> list[BoxedImage]:
    """Do what `read_boxed_images` does with images by name, all of them below the folder `root`."""
    reader = open_detections(kind, labels, ImageNames(files), None)
    found = []
    for name in reader.images:
        image = next(open_image(files[name], name, root, WHOLE))
        boxes = np.array([detection.box for detection in reader.read(image)], np.float64)
        found.append(BoxedImage(image, boxes.reshape(-1, 4)))
    return found
