"""COCO files of detectors: boxes, with or without outlines, which are not looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from server.datasets.coco import read_coco
from server.datasets.detections.csv_tables import list_detections
from server.datasets.detections.label_files import ListedDetections
from server.datasets.detections.names import ImageNames
from server.datasets.detections.numbers import read_numbers, require_class
from server.datasets.detections.records import Box, Detection, corners_of, order_corners
from server.datasets.errors import BadDataset

N_BOX_NUMBERS, N_CORNERS = 4, 4


def open_coco_boxes(path: Path, names: ImageNames, classes: Sequence[str] | None) -> ListedDetections:
    """Read the boxes of a COCO file; crowds, which are many objects in one box, count as difficult.

    An annotation may have "corners", four pairs of x and y, as the data sets that are built here have.

    Raises:
        BadDataset: the file is not COCO, an annotation has no box or no category, or none of the images exists.
    """
    content = read_coco(path)
    categories = {row.get("id"): str(row.get("name", "")) for row in content["categories"]}
    keys = {row.get("id"): names.find(str(row.get("file_name", ""))) for row in content["images"]}
    absent = {
        str(row.get("file_name", "")): f'image {row.get("id")} of "images"'
        for row in content["images"]
        if keys[row.get("id")] is None
    }
    by_image: dict[str, list[Detection]] = {key: [] for key in keys.values() if key is not None}
    for annotation in content["annotations"]:
        source = f"{path.name}, annotation {annotation.get('id')}"
        if annotation.get("image_id") not in keys:
            raise BadDataset(f'{source} belongs to no image of the list "images"; add it there.', "boxes")
        key = keys[annotation["image_id"]]
        if key is not None:
            by_image[key].append(_describe(annotation, key, categories, classes, source))
    return list_detections(by_image, absent, names, path)


def _describe(
    annotation: Mapping[str, Any],
    image: str,
    categories: Mapping[Any, str],
    classes: Sequence[str] | None,
    source: str,
) -> Detection:
    category = annotation.get("category_id")
    if category not in categories:
        raise BadDataset(f"{source} has the category {category}, which the file does not declare; add it.", "boxes")
    name = require_class(categories[category], classes, source)
    return Detection(image, name, _read_corners(annotation, source), bool(annotation.get("iscrowd")), source)


def _read_corners(annotation: Mapping[str, Any], source: str) -> NDArray[np.float64]:
    written = annotation.get("corners")
    if _is_ring(written):
        numbers = read_numbers([str(number) for pair in written for number in pair], source)
        return order_corners(np.reshape(numbers, (N_CORNERS, 2)))
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != N_BOX_NUMBERS:
        raise BadDataset(f'{source} has no "bbox" of x, y, width and height.', "boxes")
    x, y, width, height = read_numbers([str(number) for number in box], source)
    return corners_of(Box(x, y, x + width, y + height))


def _is_ring(written: object) -> TypeGuard[list[list[object]]]:
    return (
        isinstance(written, list)
        and len(written) == N_CORNERS
        and all(isinstance(pair, list) and len(pair) == 2 for pair in written)
    )
