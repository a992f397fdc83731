"""The attributes of an object as every file carries them, and what is read back from a file."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from server.vectors.annotated import SOURCES, AnnotatedObject, ObjectFacts, Source
from server.vectors.batches import measure_areas, measure_perimeters
from server.vectors.placement import Placement

# Kind of each attribute, in the order of the columns.
ATTRIBUTES: dict[str, type] = {
    "id": int,
    "class": str,
    "source": str,
    "checkpoint": str,
    "predicted_iou": float,
    "stability_score": float,
    "area_px": float,
    "area_m2": float,
    "perimeter_m": float,
    "point": list,
    "bbox": list,
    "created": str,
    "changed": str,
}
# A dBase column name has at most ten characters.
SHORT_NAMES = {"predicted_iou": "pred_iou", "stability_score": "stability", "perimeter_m": "perim_m"}
_LONG_NAMES = {short: name for name, short in SHORT_NAMES.items()}
# Digits after the point: thousandths of a square metre and a metre, and hundredths of a pixel in texts.
METRE_DIGITS = 3
PIXEL_DIGITS = 2
MAX_TEXT = 200
# Control characters break XML and tables; halves of surrogate pairs cannot be stored as UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")


def list_attributes(objects: Sequence[AnnotatedObject], placement: Placement) -> list[dict[str, Any]]:
    """Return for each object the values of `ATTRIBUTES`, None where unknown.

    `point` is [x, y] and `bbox` [x, y, width, height] in pixels; `perimeter_m` counts the borders of holes too.
    """
    outlines = [item.facts.outline for item in objects]
    areas, perimeters = measure_areas(outlines, placement), measure_perimeters(outlines, placement)
    return [_describe(*measured) for measured in zip(objects, areas, perimeters, strict=True)]


def _describe(item: AnnotatedObject, area_m2: float | None, perimeter_m: float | None) -> dict[str, Any]:
    facts = item.facts
    left, top, right, bottom = facts.outline.bounds
    return {
        "id": item.id,
        "class": facts.class_name,
        "source": facts.source,
        "checkpoint": facts.checkpoint,
        "predicted_iou": facts.predicted_iou,
        "stability_score": facts.stability_score,
        "area_px": round(facts.outline.area, METRE_DIGITS),
        "area_m2": _round(area_m2),
        "perimeter_m": _round(perimeter_m),
        "point": None if facts.point_xy is None else [_shorten(value) for value in facts.point_xy],
        "bbox": [_shorten(value) for value in (left, top, right - left, bottom - top)],
        "created": item.created,
        "changed": item.changed,
    }


def read_facts(outline: Any, row: Mapping[str, Any], class_name: str | None) -> ObjectFacts:
    """Return an object from a file.

    Attributes that bear our names and hold what they should are taken over, so that a file of this service comes back
    as it went; any other file's are left alone.

    Args:
        outline: multi-polygon in pixels of the raster.
        row: attributes by name.
        class_name: of the object.
    """
    values = {_LONG_NAMES.get(name, name): value for name, value in row.items()}
    source = values.get("source")
    checkpoint = values.get("checkpoint")
    return ObjectFacts(
        outline,
        class_name,
        cast("Source", source) if source in SOURCES else "imported",
        (clean_text(checkpoint) or None) if isinstance(checkpoint, str) else None,
        _read_share(values.get("predicted_iou")),
        _read_share(values.get("stability_score")),
        _read_point(values.get("point")),
    )


def clean_text(text: str) -> str:
    """Return text on one line, without characters that no file can hold, of a length that a table can show."""
    return _UNPRINTABLE.sub(" ", text).strip()[:MAX_TEXT].strip()


def is_coordinate(value: Any) -> bool:
    """Tell whether a value from a file is a number that coordinates can have."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _shorten(value: float) -> float:
    """Return a number of pixels for a text: whole where it is whole."""
    rounded = round(value, PIXEL_DIGITS)
    return int(rounded) if rounded == int(rounded) else rounded


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, METRE_DIGITS)


def _read_share(value: Any) -> float | None:
    """Return a number of 0..1, None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0.0 <= value <= 1.0 else None


def _read_point(value: Any) -> tuple[float, float] | None:
    """Return [x, y], itself or as JSON text; None for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, Sequence) or len(value) != 2:
        return None
    if not all(is_coordinate(part) for part in value):
        return None
    x, y = value
    return float(x), float(y)
