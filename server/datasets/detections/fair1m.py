"""FAIR1M's XML files: closed rings of corners in pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from server.datasets.detections.numbers import read_numbers, require_class
from server.datasets.detections.records import Detection, order_corners
from server.datasets.detections.xml_files import number_objects, parse_xml, read_child_text
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage

N_CORNERS = 4


def parse_fair1m(path: Path, image: SceneImage, classes: Sequence[str] | None) -> Iterator[Detection]:
    """Yield the ring of <points> of every object; the first corner may be repeated at the end.

    Raises:
        BadDataset: the file is no XML, an object lacks something or is not in pixels, or its class is not in the list.
    """
    root = parse_xml(path)
    for source, element in number_objects(root.iterfind("objects/object"), path):
        space = (element.findtext("coordinate") or "pixel").strip().lower()
        if space != "pixel":
            raise BadDataset(f'{source} has coordinates in "{space[:40]}"; only "pixel" is known.', "boxes")
        name = require_class(read_child_text(element, "possibleresult/name", source), classes, source)
        yield Detection(image.name, name, order_corners(_read_ring(element, source)), is_difficult=False, source=source)


def _read_ring(element: Element, source: str) -> NDArray[np.float64]:
    points = [
        read_numbers((point.text or "").replace(",", " ").split(), source) for point in element.iterfind("points/point")
    ]
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    if len(points) != N_CORNERS or any(len(point) != 2 for point in points):
        raise BadDataset(
            f"{source} has {len(points)} corners; expected four <point>x,y</point> and perhaps the first one again.",
            "boxes",
        )
    return np.array(points, np.float64)
