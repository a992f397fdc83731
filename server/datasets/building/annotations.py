"""One image's instances as they stand in its record and, with ids of the whole dataset, in the COCO file."""

from __future__ import annotations

from typing import Any

import numpy as np

from server.datasets.building.instances import Instance
from server.datasets.building.run_lengths import encode_mask
from server.datasets.building.settings import write_prompt

# Far below what a rating means, far above what float32 rounds to, so that a repeated run writes the same text.
DIGITS = 4
CORNER_DIGITS = 2
Annotation = dict[str, Any]


def describe_instance(instance: Instance, size: tuple[int, int]) -> Annotation:
    """Return an annotation without the ids of image and category.

    Args:
        instance: with a mask or without.
        size: width and height of the image.
    """
    detection = instance.target.detection
    found: Annotation = {
        "instance_id": instance.target.id,
        "class": detection.class_name,
        "bbox": list(instance.window),
        "area": instance.area_px,
        "segmentation": encode_mask(instance.mask, instance.window, size),
        "score": round(instance.predicted_iou, DIGITS),
        "stability_score": round(instance.stability_score, DIGITS),
        "prompt": write_prompt(instance.prompt),
        "iscrowd": 0,
        "difficult": int(detection.is_difficult),
    }
    if not detection.is_point:
        found["corners"] = np.round(detection.corners, CORNER_DIGITS).tolist()
        found["box_iou"] = round(instance.box_iou or 0.0, DIGITS)
    else:
        found["point"] = np.round(detection.corners[0], CORNER_DIGITS).tolist()
    if instance.rejection is not None:
        found["rejected"] = str(instance.rejection)
    return found
