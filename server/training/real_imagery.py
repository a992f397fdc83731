"""Real, permissively licensed images to mix with the synthetic ones, read from a folder of data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from server.datasets.detections.boxed_images import BoxedImage
from server.datasets.known_sets import open_cars, open_crowns, open_dubai, open_fair, open_solar
from server.errors import BadParameter
from server.training.labelled_images import UNKNOWN, LabelledImage
from server.training.shown_colours import stretch_colours
from server.training.stable_regions import find_kept_regions

MIN_COMPONENT_AREA_PX = 40
# Stable regions are sought in windows: a mosaic of 4096 x 4096 px as a whole would take minutes.
WINDOW_PX, MAX_WINDOWS_PER_IMAGE = 640, 4
# Images whose labels are of no use here: Munich from the air (KIT AIS, CC BY 3.0), forest and farmland of DeepForest
# (NEON open data, OAM-TCD CC BY 4.0), and towns in California (NAIP, public domain).
UNLABELLED = (
    "aerial_cars_boxes/MOS*.png",
    "deepforest/*.png",
    "deepforest/*.jpg",
    "deepforest/*.tif",
    "urban_trees_naip/images/*.tif",
)
# These stay for validation; OSBS_029.png is the same picture as the TIFF of that name.
NOT_FOR_TRAINING = ("MOS174.png", "5dded5bc0140b80006d2e565_23.tif", "OSBS_029.png")
LEAST_SIDE_PX = 256
# Sets whose objects have boxes, by folder: cars in Munich, solar panels (CC BY 4.0), tree crowns.
BOXED: dict[str, Callable[[Path], list[BoxedImage]]] = {
    "aerial_cars_boxes": lambda folder: open_cars(folder, held_out=False),
    "solar_boxes_roboflow": lambda folder: open_solar(folder, held_out=False),
    "deepforest": open_crowns,
}


def read_dubai(folder: Path, is_validation: bool) -> list[LabelledImage]:
    """Read `dubai_mbrsc` below `folder`: every connected area of one class is an object, unlabelled is unknown.

    Raises:
        UserError: the data set is not there or cannot be read.
    """
    scenes = open_dubai(folder, held_out=is_validation)
    return [LabelledImage(scene.rgb, forget_tiny_objects(scene.objects)) for scene in scenes]


def read_buildings(folder: Path, is_validation: bool) -> list[LabelledImage]:
    """Read the mosaics of `fair_hot_buildings` below `folder`: every outlined building is an object.

    Raises:
        UserError: the data set is not there or cannot be read.
    """
    return [LabelledImage(scene.rgb, scene.objects) for scene in open_fair(folder, held_out=is_validation)]


def read_unlabelled(folder: Path) -> list[LabelledImage]:
    """Read the images below `folder` that are only looked at, as images of unknown ground; there may be none."""
    paths = [
        path for pattern in UNLABELLED for path in sorted(folder.glob(pattern)) if path.name not in NOT_FOR_TRAINING
    ]
    if (folder / "solar_boxes_roboflow").is_dir():  # towns around the panels
        paths += [item.image.path for item in open_solar(folder, held_out=False)]
    images = [np.ascontiguousarray(_read(path, cv2.IMREAD_COLOR)[..., ::-1]) for path in paths]
    return [
        LabelledImage(stretch_colours(rgb), np.full(rgb.shape[:2], UNKNOWN, np.int32))
        for rgb in images
        if min(rgb.shape[:2]) >= LEAST_SIDE_PX
    ]


def read_boxed(folder: Path) -> dict[str, list[BoxedImage]]:
    """Return the training parts of those of the `BOXED` sets that are below `folder`, by the name of their folder.

    Raises:
        UserError: a set cannot be read.
    """
    return {name: open_set(folder) for name, open_set in BOXED.items() if (folder / name).is_dir()}


def relabel_by_stable_regions(
    images: Sequence[LabelledImage], folder: Path, tell: Callable[[int], object]
) -> list[LabelledImage]:
    """Return windows of `images` with the stable regions of what they show in place of their labels.

    Args:
        images: any images; of large ones the windows with the most objects count, or the first.
        folder: keeps what was found, because looking takes minutes.
        tell: hears how many more images are done.
    """
    found = []
    for image in images:
        for window in _busiest_windows(image.labels):
            found.extend(find_kept_regions(np.ascontiguousarray(image.rgb[window]), folder))
        tell(1)
    return found


def _busiest_windows(labels: NDArray[np.int32]) -> list[tuple[slice, slice]]:
    """Return the windows with the most objects, because mosaics are large and partly empty."""
    height, width = labels.shape
    windows = [
        (slice(top, top + WINDOW_PX), slice(left, left + WINDOW_PX))
        for top in range(0, max(height - WINDOW_PX // 2, 1), WINDOW_PX)
        for left in range(0, max(width - WINDOW_PX // 2, 1), WINDOW_PX)
    ]
    return sorted(windows, key=lambda window: -len(np.unique(labels[window])))[:MAX_WINDOWS_PER_IMAGE]


def forget_tiny_objects(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return object ids (H, W) with the smallest areas unknown: they are crumbs of a hand-drawn border."""
    areas = np.bincount(np.maximum(labels, 0).ravel())
    is_tiny = areas < MIN_COMPONENT_AREA_PX
    is_tiny[0] = False
    return np.where(is_tiny[np.maximum(labels, 0)], np.int32(UNKNOWN), labels)


def _read(path: Path, mode: int) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), mode)
    if image is None:
        raise BadParameter(f"{path} cannot be read as an image; restore it.", "data")
    return np.asarray(image)
