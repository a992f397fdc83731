"""Fits detections to the pixels there are: cuts, drops and numbers them, and says what was done."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from server.datasets.detections.records import Box, Detection, corners_of

# Boxes thinner than this hold no pixel's centre for sure, so nothing can be meant by them.
MIN_SIDE_PX = 0.5


class Fault(StrEnum):
    """Why a detection was not taken as it was."""

    CUT = "cut at the border of the image"
    OUTSIDE = "outside of the image"
    EMPTY = "without an area"
    TWICE = "the same box of the same class again"
    DIFFICULT = "difficult"


@dataclass(frozen=True, eq=False)
class Target:
    """A detection that a mask is to be found for.

    Attributes:
        id: from 1 within the image; it depends on where and what the detections are, never on their order.
        detection: corners of an upright box are cut to the image, those of a rotated one are not.
        box: the upright rectangle around it, cut to the image; without extent for a point.
    """

    id: int
    detection: Detection
    box: Box


@dataclass(frozen=True)
class Fitted:
    """The detections of one image.

    Attributes:
        targets: in the order of their ids.
        faults: sentences and their kinds, in the order of the labels.
    """

    targets: tuple[Target, ...]
    faults: tuple[tuple[Fault, str], ...]


def fit_detections(detections: Iterable[Detection], size: tuple[int, int], *, with_difficult: bool = True) -> Fitted:
    """Cut detections to an image, drop those that cannot be used, and number the rest.

    Args:
        detections: in any order.
        size: width and height of the image.
        with_difficult: False drops those that are marked as difficult.
    """
    found: dict[tuple[object, ...], tuple[Detection, Box]] = {}
    faults: list[tuple[Fault, str]] = []
    for detection in detections:
        box = _cut(detection.box, size)
        fault = _find_fault(detection, box, with_difficult=with_difficult)
        key = (box.y0, box.x0, box.y1, box.x1, detection.class_name, *detection.corners.ravel().tolist())
        if fault is None and key in found:
            fault = Fault.TWICE
        if fault is not None:
            faults.append((fault, f"{detection.source}: left out, {fault}."))
            continue
        if not detection.is_point and box != detection.box:
            faults.append((Fault.CUT, f"{detection.source}: {Fault.CUT}."))
        found[key] = (_cut_corners(detection, box), box)
    targets = [Target(number, *found[key]) for number, key in enumerate(sorted(found), start=1)]
    return Fitted(tuple(targets), tuple(faults))


def _find_fault(detection: Detection, box: Box, *, with_difficult: bool) -> Fault | None:
    """Return why a detection cannot be used, None where it can; `box` is cut to the image."""
    if detection.is_difficult and not with_difficult:
        return Fault.DIFFICULT
    whole = detection.box
    if detection.is_point:
        return None if box == whole else Fault.OUTSIDE
    if min(whole.width, whole.height) < MIN_SIDE_PX or _area_of(detection) < MIN_SIDE_PX**2:
        return Fault.EMPTY
    return Fault.OUTSIDE if min(box.width, box.height) < MIN_SIDE_PX else None


def _area_of(detection: Detection) -> float:
    """Return the area between the corners, by the shoelace formula."""
    x, y = detection.corners.T
    return abs(float((x * (y.take([1, 2, 3, 0]) - y.take([3, 0, 1, 2]))).sum())) / 2


def _cut(box: Box, size: tuple[int, int]) -> Box:
    width, height = size
    x0, x1 = (min(max(value, 0.0), float(width)) for value in (box.x0, box.x1))
    y0, y1 = (min(max(value, 0.0), float(height)) for value in (box.y0, box.y1))
    return Box(x0, y0, x1, y1)


def _cut_corners(detection: Detection, box: Box) -> Detection:
    if detection.is_point or detection.is_rotated:
        return detection
    return dataclasses.replace(detection, corners=corners_of(box))
