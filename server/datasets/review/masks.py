"""Turns annotations of a record back into instances, so that the same painters draw them again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.datasets.building.annotations import Annotation
from server.datasets.building.instances import Instance
from server.datasets.detections.fitting import Target
from server.datasets.detections.records import Box, Detection
from server.rasters.windows import PixelWindow

SOURCE = "record"
# COCO packs numbers into characters from "0" on: five bits each, and one that says that more follow.
_FIRST, _BITS, _MORE, _SIGN = 48, 5, 0x20, 0x10


def read_instance(annotation: Annotation, image: str, size: tuple[int, int]) -> Instance:
    """Return the instance of an annotation that has a mask.

    Args:
        annotation: as `describe_instance` returned it.
        image: name of its image.
        size: width and height of the image.
    """
    target = read_target(annotation, image, size)
    window = PixelWindow(*annotation["bbox"])
    return Instance(
        target=target,
        prompt=frozenset(),
        mask=read_mask(annotation),
        window=window,
        predicted_iou=annotation["score"],
        stability_score=annotation["stability_score"],
        rejection=None,
    )


def read_target(annotation: Annotation, image: str, size: tuple[int, int]) -> Target:
    """Return what was asked for; see `read_instance`."""
    corners = annotation["corners"] if "corners" in annotation else [annotation["point"]]
    detection = Detection(
        image, annotation["class"], np.array(corners, np.float64), bool(annotation["difficult"]), SOURCE
    )
    width, height = size
    x0, y0, x1, y1 = detection.box
    box = Box(min(max(x0, 0), width), min(max(y0, 0), height), min(max(x1, 0), width), min(max(y1, 0), height))
    return Target(annotation["instance_id"], detection, box)


def read_mask(annotation: Annotation) -> NDArray[np.bool_]:
    """Return the mask of an annotation, bool (height, width) of its `bbox`, without unpacking the whole image."""
    left, top, width, height = annotation["bbox"]
    rows = annotation["segmentation"]["size"][0]
    ends = np.cumsum(read_counts(annotation["segmentation"]["counts"]))
    # Runs go down column by column, and the first one is outside.
    starts, stops = ends[:-1:2] - left * rows, ends[1::2] - left * rows
    n_pixels = width * rows
    borders = np.zeros(n_pixels + 1, np.int32)
    np.add.at(borders, starts[: len(stops)].clip(0, n_pixels), 1)
    np.add.at(borders, stops.clip(0, n_pixels), -1)
    strip = np.cumsum(borders[:-1]).astype(np.bool_).reshape(width, rows)
    return strip[:, top : top + height].T.copy()


def read_counts(packed: str) -> NDArray[np.int64]:
    """Return the run lengths that COCO packs into a text; from the fourth on it holds differences to the last but one.

    Args:
        packed: "counts" of a segmentation.
    """
    numbers: list[int] = []
    number = shift = 0
    for character in packed.encode("ascii"):
        part = character - _FIRST
        number |= (part & (_MORE - 1)) << shift
        shift += _BITS
        if part & _MORE:
            continue
        if part & _SIGN:
            number -= 1 << shift
        numbers.append(number + numbers[-2] if len(numbers) > 2 else number)
        number = shift = 0
    return np.array(numbers, np.int64)
