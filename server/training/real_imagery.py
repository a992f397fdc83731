"""Real, permissively licensed images to mix with the synthetic ones, read from a folder of data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from server.datasets.components import label_components
from server.errors import BadParameter
from server.training.labelled_images import UNKNOWN, LabelledImage
from server.training.shown_colours import stretch_colours
from server.training.stable_regions import find_kept_regions

MIN_COMPONENT_AREA_PX = 40
# Stable regions are sought in windows: a mosaic of 4096 x 4096 px as a whole would take minutes.
WINDOW_PX, MAX_WINDOWS_PER_IMAGE = 640, 4
# MBRSC Dubai (CC0): colours of its classes; grey and black mean unlabelled. Tile 7 stays for validation.
DUBAI_CLASSES = ((0x3C, 0x10, 0x98), (0x84, 0x29, 0xF6), (0x6E, 0xC1, 0xE4), (0xFE, 0xDD, 0x3A), (0xE2, 0xA9, 0x29))
DUBAI_VALIDATION_TILE = "t7"
# fAIr / HOT buildings (imagery CC BY 4.0, outlines ODbL): region 3 stays for validation.
BUILDINGS_TRAINING_REGIONS = ("region1", "region2", "region4")
BUILDINGS_VALIDATION_REGIONS = ("region3",)
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


def read_dubai(folder: Path, is_validation: bool) -> list[LabelledImage]:
    """Read `dubai_mbrsc` below `folder`: every connected area of one class is an object, unlabelled is unknown.

    Raises:
        BadParameter: the data set is not there.
    """
    masks = sorted((folder / "dubai_mbrsc" / "masks").glob("*.png"))
    chosen = [path for path in masks if path.stem.endswith(DUBAI_VALIDATION_TILE) == is_validation]
    if not chosen:
        raise BadParameter(
            f"{folder} has no dubai_mbrsc/masks/*.png; give the folder that holds the data sets.", "data"
        )
    return [_read_dubai_image(path) for path in chosen]


def read_buildings(folder: Path, is_validation: bool) -> list[LabelledImage]:
    """Read the mosaics of `fair_hot_buildings` below `folder`: every outlined building is an object.

    Raises:
        BadParameter: the data set is not there.
    """
    regions = BUILDINGS_VALIDATION_REGIONS if is_validation else BUILDINGS_TRAINING_REGIONS
    mosaics = folder / "fair_hot_buildings" / "mosaics_z20"
    paths = [path for region in regions for path in sorted(mosaics.glob(f"{region}_?.tif"))]
    if not paths:
        raise BadParameter(f"{mosaics} has no {regions[0]}_*.tif; give the folder that holds the data sets.", "data")
    return [_read_mosaic(path) for path in paths]


def read_unlabelled(folder: Path) -> list[LabelledImage]:
    """Read the images below `folder` that are only looked at, as images of unknown ground; there may be none."""
    paths = [
        path for pattern in UNLABELLED for path in sorted(folder.glob(pattern)) if path.name not in NOT_FOR_TRAINING
    ]
    images = [np.ascontiguousarray(_read(path, cv2.IMREAD_COLOR)[..., ::-1]) for path in paths]
    return [
        LabelledImage(stretch_colours(rgb), np.full(rgb.shape[:2], UNKNOWN, np.int32))
        for rgb in images
        if min(rgb.shape[:2]) >= LEAST_SIDE_PX
    ]


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


def label_objects(classes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Turn a class map (H, W), 0 the first class and -1 unknown, into object ids; tiny areas become unknown."""
    labels = label_components(np.where(classes == UNKNOWN, UNKNOWN, classes + 1))
    areas = np.bincount(np.maximum(labels, 0).ravel())
    is_tiny = areas < MIN_COMPONENT_AREA_PX
    is_tiny[0] = False
    labels[is_tiny[np.maximum(labels, 0)]] = UNKNOWN
    return labels


def _read_dubai_image(mask_path: Path) -> LabelledImage:
    mask = _read(mask_path, cv2.IMREAD_COLOR)[..., ::-1]
    rgb = _read(mask_path.parents[1] / "images" / f"{mask_path.stem}.jpg", cv2.IMREAD_COLOR)[..., ::-1]
    classes = np.full(mask.shape[:2], UNKNOWN, np.int32)
    for number, colour in enumerate(DUBAI_CLASSES):
        classes[(mask == colour).all(axis=2)] = number
    height, width = min(len(mask), len(rgb)), min(mask.shape[1], rgb.shape[1])
    shown = stretch_colours(np.ascontiguousarray(rgb[:height, :width]))
    return LabelledImage(shown, label_objects(classes[:height, :width]))


def _read_mosaic(path: Path) -> LabelledImage:
    rgb = _read(path, cv2.IMREAD_COLOR)[..., ::-1]
    instances = _read(path.with_name(f"{path.stem}_instances.tif"), cv2.IMREAD_UNCHANGED).astype(np.int32)
    valid = (rgb != 0).any(axis=2)
    instances[~valid] = UNKNOWN
    return LabelledImage(stretch_colours(np.ascontiguousarray(rgb), valid), instances)


def _read(path: Path, mode: int) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), mode)
    if image is None:
        raise BadParameter(f"{path} cannot be read as an image; restore it.", "data")
    return np.asarray(image)
