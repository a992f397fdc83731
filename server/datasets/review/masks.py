"""Turns annotations of a record back into instances, so that the same painters draw them again."""

from __future__ import annotations

import numpy as np

from server.datasets.building.annotations import Annotation
from server.datasets.building.instances import Instance
from server.datasets.building.run_lengths import read_mask
from server.datasets.detections.fitting import Target
from server.datasets.detections.records import Box, Detection
from server.rasters.windows import PixelWindow

SOURCE = "record"


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
