"""Paints the instances of an image into one map of classes and one of objects, by a rule and never by file order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from server.datasets.building.instances import Instance

UNLABELLED = 255
RULE = (
    "Where masks overlap, the smaller one is seen; of equally large ones the one with the higher predicted IoU, and of "
    "these the one with the lower id. Ids follow the place of the boxes, so the order of label files does not matter."
)


def paint(
    instances: Iterable[Instance], size: tuple[int, int], class_values: Mapping[str, int]
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the maps of an image; see `RULE` for overlaps.

    Args:
        instances: that passed the gate.
        size: width and height of the image.
        class_values: values of classes by name, 0..254.

    Returns:
        Classes, uint8 (H, W), 255 where nothing is labelled; and objects, int32 (H, W), with the ids of the targets
        and 0 elsewhere.
    """
    classes = np.full((size[1], size[0]), UNLABELLED, np.uint8)
    objects = np.zeros((size[1], size[0]), np.int32)
    for instance in sorted(instances, key=_rank):
        window = instance.window
        part = (slice(window.row, window.row + window.height), slice(window.col, window.col + window.width))
        classes[part][instance.mask] = class_values[instance.target.detection.class_name]
        objects[part][instance.mask] = instance.target.id
    return classes, objects


def _rank(instance: Instance) -> tuple[int, float, int]:
    """Return what is painted first: large, then low rating, then high id."""
    return -instance.area_px, instance.predicted_iou, -instance.target.id
