"""Turns objects into rows and back, whole layers at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Row

from server.errors import BadParameter, TooLarge
from server.vectors.annotated import AnnotatedObject, ObjectClass, ObjectFacts

LITTLE_ENDIAN = 1


def encode_states(facts: Sequence[ObjectFacts], max_vertices: int) -> list[dict[str, Any]]:
    """Return the columns of objects, without their class and times.

    Raises:
        BadParameter: an outline is empty.
        TooLarge: an outline has more vertices than `max_vertices`.
    """
    outlines = np.array([item.outline for item in facts], dtype=object)
    _check_outlines(outlines, max_vertices)
    blobs = shapely.to_wkb(outlines, output_dimension=2, byte_order=LITTLE_ENDIAN)
    return [_encode(item, blob) for item, blob in zip(facts, blobs, strict=True)]


def decode_objects(rows: Iterable[Row[Any]], classes: Sequence[ObjectClass]) -> list[AnnotatedObject]:
    """Return the objects of rows, each id, revision and then the columns of `STATE_NAMES`; the order stays."""
    found = list(rows)
    names: dict[int | None, str | None] = {None: None, **{row.id: row.name for row in classes}}
    outlines = shapely.from_wkb(np.array([row.outline for row in found], dtype=object))
    return [_decode(tuple(row), outline, names) for row, outline in zip(found, outlines, strict=True)]


def _check_outlines(outlines: Any, max_vertices: int) -> None:
    if shapely.is_empty(outlines).any():
        raise BadParameter("An outline encloses nothing; give it at least three corners and some area.", "geometry")
    n_vertices = int(shapely.get_num_coordinates(outlines).max(initial=0))
    if n_vertices > max_vertices:
        raise TooLarge(
            f"An outline has {n_vertices:,} vertices; at most {max_vertices:,} are kept. Simplify or split it.",
            "geometry",
        )


def _encode(facts: ObjectFacts, outline: bytes) -> dict[str, Any]:
    point_x, point_y = facts.point_xy or (None, None)
    return {
        "outline": outline,
        "source": facts.source,
        "checkpoint": facts.checkpoint,
        "predicted_iou": facts.predicted_iou,
        "stability_score": facts.stability_score,
        "point_x": point_x,
        "point_y": point_y,
    }


def _decode(
    cells: Sequence[Any], outline: shapely.MultiPolygon, class_names: dict[int | None, str | None]
) -> AnnotatedObject:
    # Columns by place: by name they take twice the time of everything else here.
    number, revision, _, class_id, source, checkpoint, predicted_iou, stability_score, x, y, created, changed = cells
    point_xy = None if x is None else (x, y)
    class_name = class_names[class_id]
    facts = ObjectFacts(outline, class_name, source, checkpoint, predicted_iou, stability_score, point_xy)
    return AnnotatedObject(number, revision, facts, created, changed)
