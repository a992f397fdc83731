"""What merging, splitting and reshaping objects does to a layer: one edit, to be applied and undone as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import shapely

from server.annotations.edits import ChangedObject, LayerEdit, SeenObject
from server.errors import BadParameter
from server.rasters.coordinates import Points
from server.vectors.annotated import AnnotatedObject
from server.vectors.editing.merging import merge
from server.vectors.editing.regularising import regularise
from server.vectors.editing.simplifying import simplify
from server.vectors.editing.smoothing import smooth
from server.vectors.editing.snapping import snap
from server.vectors.editing.splitting import split

MIN_MERGED = 2
Reshape = Callable[[shapely.MultiPolygon, float], shapely.MultiPolygon]
RESHAPES: dict[str, Reshape] = {"simplify": simplify, "regularise": regularise, "smooth": smooth}


@dataclass(frozen=True)
class Operation:
    """What to do with some objects.

    Attributes:
        name: "merge", "split", "snap" or one of `RESHAPES`.
        tolerance_px: how far a border may move, for all but merge and split.
        line_xy: float64 (N, 2) in pixels, where to split.
        neighbours: outlines around the objects, for snap.
    """

    name: str
    tolerance_px: float = 2.0
    line_xy: Points | None = None
    neighbours: Sequence[shapely.MultiPolygon] = field(default=())


def plan_edit(operation: Operation, objects: Sequence[AnnotatedObject]) -> LayerEdit:
    """Return the edit that does `operation` to `objects`, at least one, as the layer has them.

    Raises:
        BadParameter: the operation needs another number of objects, or its outlines do not allow it.
    """
    if operation.name == "merge":
        return _merge(objects)
    if operation.name == "split":
        return _split(operation, objects)
    if operation.name == "snap":
        reshaped = [snap(item.facts.outline, operation.neighbours, operation.tolerance_px) for item in objects]
    else:
        reshape = RESHAPES[operation.name]
        reshaped = [reshape(item.facts.outline, operation.tolerance_px) for item in objects]
    changed = [_with_outline(item, outline) for item, outline in zip(objects, reshaped, strict=True)]
    return LayerEdit(operation.name, changed=changed)


def _merge(objects: Sequence[AnnotatedObject]) -> LayerEdit:
    """Unite objects under the id and attributes of the largest."""
    if len(objects) < MIN_MERGED:
        raise BadParameter(f"{len(objects)} object is given; merging takes two or more.", "objects")
    largest = _largest(objects)
    outline = merge([item.facts.outline for item in objects])
    others = [SeenObject(item.id, item.revision) for item in objects if item is not largest]
    return LayerEdit("merge", changed=[_with_outline(largest, outline)], removed=others)


def _split(operation: Operation, objects: Sequence[AnnotatedObject]) -> LayerEdit:
    """Cut one object along the line; the largest part keeps its id, the others get new ones."""
    if len(objects) != 1:
        raise BadParameter(f"{len(objects)} objects are given; one is split at a time.", "objects")
    if operation.line_xy is None:
        raise BadParameter("There is no line to split along; draw one across the object.", "line")
    (item,) = objects
    first, *others = sorted(split(item.facts.outline, operation.line_xy), key=lambda part: -part.area)
    added = [replace(item.facts, outline=part, point_xy=None) for part in others]
    return LayerEdit("split", added=added, changed=[_with_outline(item, first)])


def _largest(objects: Sequence[AnnotatedObject]) -> AnnotatedObject:
    return max(objects, key=lambda item: (item.facts.outline.area, -item.id))


def _with_outline(item: AnnotatedObject, outline: shapely.MultiPolygon) -> ChangedObject:
    return ChangedObject(item.id, item.revision, replace(item.facts, outline=outline))
