"""Draws outlined objects into a window, small ones last, so that what lies on top stays visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from rasterio.features import rasterize

from server.datasets.scenes import NOTHING, Labels
from server.rasters.windows import PixelWindow


@dataclass(frozen=True)
class Outline:
    """One object.

    Attributes:
        geometry: polygon or multipolygon, x and y in pixels of the image.
        class_number: from 1; -1 where the object is known but nobody knows its pixels, such as COCO's crowds.
    """

    geometry: shapely.Geometry
    class_number: int


def draw_outlines(outlines: Sequence[Outline], window: PixelWindow) -> tuple[Labels, Labels]:
    """Rasterise objects.

    Args:
        outlines: in any order.
        window: the part of the image that is drawn.

    Returns:
        Objects and classes, int32 (H, W) each. A pixel belongs to an object whose outline holds the pixel's centre;
        of several to the smallest. Objects that hold no centre are missing. Crowds are -1 in both.
    """
    shape = (window.height, window.width)
    corner = np.array([window.col, window.row], np.float64)
    in_order = sorted(outlines, key=lambda outline: -outline.geometry.area)
    shapes = [
        (shapely.transform(outline.geometry, lambda points: points - corner), number)
        for number, outline in enumerate(in_order, start=1)
    ]
    objects = np.zeros(shape, np.int32)
    if shapes:
        rasterize(shapes, out=objects, fill=NOTHING)
    class_of = np.array([NOTHING, *(outline.class_number for outline in in_order)], np.int32)
    classes = class_of[objects]
    objects[classes < 0] = classes[classes < 0]
    return objects, classes
