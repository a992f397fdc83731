"""Pascal VOC's XML files, and those of DIOR, which look alike and also come with rotated boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from server.datasets.detections.numbers import require_class
from server.datasets.detections.records import Detection, corners_of, order_corners, sort_box
from server.datasets.detections.xml_files import (
    number_objects,
    parse_xml,
    read_child_numbers,
    read_child_text,
)
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage

SIDES = ("xmin", "ymin", "xmax", "ymax")
CORNERS = ("left_top", "right_top", "right_bottom", "left_bottom")
# VOC's development kit counts pixels from 1, and the last one belongs to the box: pixel 1 begins at 0.
FIRST_PIXEL = 1.0


def parse_voc(path: Path, image: SceneImage, classes: Sequence[str] | None) -> Iterator[Detection]:
    """Yield the <bndbox> of every <object>, pixels counted from 1 and ends included.

    Raises:
        BadDataset: the file is no XML, an object lacks something, or its class is not in the list.
    """
    for source, element in _objects(path):
        x0, y0, x1, y1 = read_child_numbers(element, tuple(f"bndbox/{side}" for side in SIDES), source)
        found = sort_box(x0, y0, x1, y1)
        corners = corners_of(found._replace(x0=found.x0 - FIRST_PIXEL, y0=found.y0 - FIRST_PIXEL))
        yield _describe(element, source, image, classes, corners)


def parse_dior(path: Path, image: SceneImage, classes: Sequence[str] | None) -> Iterator[Detection]:
    """Yield the <bndbox> or, in the rotated edition, the four corners in <robndbox> of every <object>.

    Coordinates are taken as they stand. See `parse_voc` for errors.
    """
    for source, element in _objects(path):
        if element.find("robndbox") is not None:
            names = tuple(f"robndbox/{axis}_{corner}" for corner in CORNERS for axis in "xy")
            corners = order_corners(np.reshape(read_child_numbers(element, names, source), (4, 2)))
        else:
            names = tuple(f"bndbox/{side}" for side in SIDES)
            x0, y0, x1, y1 = read_child_numbers(element, names, source)
            corners = corners_of(sort_box(x0, y0, x1, y1))
        yield _describe(element, source, image, classes, corners)


def _objects(path: Path) -> Iterator[tuple[str, Element]]:
    root = parse_xml(path)
    if root.tag != "annotation":
        raise BadDataset(f"{path.name} begins with <{root.tag}>; VOC's files begin with <annotation>.", "boxes")
    return number_objects(root.iterfind("object"), path)


def _describe(
    element: Element, source: str, image: SceneImage, classes: Sequence[str] | None, corners: NDArray[np.float64]
) -> Detection:
    name = require_class(read_child_text(element, "name", source), classes, source)
    is_difficult = (element.findtext("difficult") or "0").strip() not in ("", "0")
    return Detection(image.name, name, corners, is_difficult, source)
