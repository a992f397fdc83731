"""Cuts labelled scenes into the windows a class is learned from, and finds out what they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.datasets.errors import BadDataset
from server.datasets.scenes import NOTHING, UNKNOWN, Dataset, LabelledScene
from server.rasters.windows import PixelWindow, plan_windows

# Neighbouring training windows share this much, so that what one border cuts is whole in another window.
OVERLAP_SHARE = 0.25


@dataclass(frozen=True)
class ClassWindow:
    """A window of a scene.

    Attributes:
        scene: its number in the dataset.
        window: in pixels of the scene.
        n_class_px: pixels of the class in it.
    """

    scene: int
    window: PixelWindow
    n_class_px: int


def find_class_number(dataset: Dataset, class_name: str) -> int:
    """Return k such that `class_name` is the k-th class counted from 1.

    Raises:
        BadDataset: the dataset has no such class.
    """
    if class_name not in dataset.class_names:
        raise BadDataset(
            f'The data have no class "{class_name}"; their classes are {", ".join(dataset.class_names) or "none"}.',
            "class",
        )
    return dataset.class_names.index(class_name) + 1


def plan_training_windows(
    dataset: Dataset, class_number: int, size: int, tell: Callable[[int], object]
) -> list[ClassWindow]:
    """Return overlapping windows of `size` pixels that hold any known pixel.

    Args:
        dataset: the training part; every scene is read once.
        class_number: of the class, from 1.
        size: side of the network's input.
        tell: hears how many more scenes are done.

    Raises:
        BadDataset: no pixel belongs to the class.
    """
    windows = _plan(dataset, class_number, (size, int(size * OVERLAP_SHARE)), tell)
    if not any(window.n_class_px for window in windows):
        raise BadDataset(
            f'No pixel of the {len(dataset)} training images belongs to "{dataset.class_names[class_number - 1]}"; '
            "check the class table, or hold out another area.",
            "class",
        )
    return windows


def plan_validation_windows(
    dataset: Dataset, class_number: int, size: int, tell: Callable[[int], object]
) -> list[ClassWindow]:
    """Return windows of `size` pixels side by side; arguments as for `plan_training_windows`.

    Raises:
        BadDataset: no pixel belongs to the class, so no result could be told from another.
    """
    windows = _plan(dataset, class_number, (size, 0), tell)
    if not any(window.n_class_px for window in windows):
        raise BadDataset(
            f'No pixel of the {len(dataset)} validation images belongs to "{dataset.class_names[class_number - 1]}", '
            "so results on them say nothing; hold out an area that shows it.",
            "validation",
        )
    return windows


def thin_out(windows: list[ClassWindow], n_most: int) -> list[ClassWindow]:
    """Return at most `n_most` windows that show as much and as little of the class as all of them do, in order."""
    by_content = sorted(range(len(windows)), key=lambda number: windows[number].n_class_px)
    n_kept = min(n_most, len(windows))
    # Every k-th from the fullest down, so that even one window shows the class.
    kept = {by_content[-1 - number * len(windows) // n_kept] for number in range(n_kept)}
    return [windows[number] for number in sorted(kept)]


def class_objects(scene: LabelledScene, class_number: int) -> NDArray[np.int32]:
    """Return int32 (H, W): objects of the class from 1, 0 for all other ground, -1 unknown.

    Where the labels tell classes alone, a connected area is an object.
    """
    is_class = scene.classes == class_number
    _, areas = cv2.connectedComponents((is_class & (scene.objects <= NOTHING)).astype(np.uint8), connectivity=4)
    first = int(scene.objects.max(initial=0))
    objects = np.where(scene.objects > NOTHING, scene.objects, np.where(areas > 0, areas + first, 0))
    found = np.where(is_class, objects, np.where(scene.classes == UNKNOWN, UNKNOWN, NOTHING))
    return found.astype(np.int32)


def _plan(
    dataset: Dataset, class_number: int, size_and_overlap: tuple[int, int], tell: Callable[[int], object]
) -> list[ClassWindow]:
    size, overlap = size_and_overlap
    found = []
    for number, scene in enumerate(dataset):
        height, width = scene.classes.shape
        for window in plan_windows(width, height, size=size, overlap=overlap):
            part = scene.classes[window.slices]
            if (part != UNKNOWN).any():
                found.append(ClassWindow(number, window, int((part == class_number).sum())))
        tell(1)
    return found
