"""Asks for the mask of an object again, with clicks of a person, and describes it as the record does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from server.datasets.building.annotations import DIGITS, Annotation
from server.datasets.building.run_lengths import encode_mask
from server.datasets.detections.fitting import Target
from server.datasets.detections.records import Box
from server.errors import BadParameter
from server.rasters.opening import open_raster
from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import crop_mask
from server.segmentation.prompting.prompts import GivenPrompts
from server.vectors.drawing import Drawing
from server.vectors.placement import read_placement
from server.vectors.sent_shapes import read_polygon

FIELD = "points"
PROMPT = "clicks"


def make_prompts(points: Sequence[Sequence[float]], target: Target) -> GivenPrompts:
    """Return clicks together with the object's box, which is left out where a click says that the object goes beyond.

    Args:
        points: x, y in pixels of the image, and 1 (inside) or 0 (outside).
        target: the object.
    """
    box = target.box
    goes_beyond = any(label == 1 and not _holds(box, x, y) for x, y, label in points)
    is_alone = target.detection.is_point or goes_beyond
    return GivenPrompts(points, None if is_alone else list(box), "pixel")


def make_correction(
    feature: Mapping[str, Any], score: float, image: Path, annotation: Annotation, target: Target
) -> Annotation:
    """Return what of an annotation is another with a new mask.

    Args:
        feature: GeoJSON of the mask, as `/predict` has it.
        score: predicted IoU, 0..1.
        image: its file.
        annotation: as it was built.
        target: what was asked for then.

    Raises:
        BadParameter: the mask holds no pixel.
    """
    with open_raster(image) as raster:
        size, placement = (raster.width, raster.height), read_placement(raster)
    outline = read_polygon(feature["geometry"], placement, FIELD)
    left, top = (max(int(value) - 1, 0) for value in outline.bounds[:2])
    right, bottom = (min(int(value) + 2, side) for value, side in zip(outline.bounds[2:], size, strict=True))
    around = PixelWindow(left, top, right - left, bottom - top)
    cropped = crop_mask(Drawing([(outline, 1)]).draw(around) > 0)
    if cropped is None:
        raise BadParameter("The mask of these clicks holds no pixel; click on the object.", FIELD)
    mask, (x, y, width, height) = cropped
    window = PixelWindow(left + x, top + y, width, height)
    found: Annotation = {
        "bbox": list(window),
        "area": int(mask.sum()),
        "segmentation": encode_mask(mask, window, size),
        "score": round(score, DIGITS),
        "prompt": PROMPT,
    }
    if "box_iou" in annotation:
        box = Box(window.col, window.row, window.col + width, window.row + height)
        found["box_iou"] = round(box.iou(target.box), DIGITS)
    return found


def _holds(box: Box, x: float, y: float) -> bool:
    return box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1
