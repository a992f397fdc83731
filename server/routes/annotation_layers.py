"""The annotation layer of a raster: read, change, reshape, undo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response
from shapely import STRtree

from server.annotations.edits import ChangedObject, LayerEdit, LayerState, SeenObject
from server.annotations.operations import Operation as LayerOperation
from server.annotations.operations import plan_edit
from server.clients.rasters import RasterEntry
from server.errors import BadParameter
from server.routes.annotation_bodies import (
    MAX_ANNOTATION_BYTES,
    ChangeBody,
    EditBody,
    LayerBody,
    LayerQuery,
    SentChange,
    SentObject,
    SentReference,
)
from server.routes.bodies import read_body, read_query
from server.routes.documentation import Operation, documented
from server.routes.rasters import find_raster
from server.routes.services import services
from server.vectors.annotated import AnnotatedObject, ObjectClass, ObjectFacts
from server.vectors.batches import measure_areas, write_geometries
from server.vectors.editing.checking import check_outline
from server.vectors.placement import Placement, read_place
from server.vectors.sent_shapes import read_line, read_polygon

blueprint = Blueprint("annotations", __name__)
LAYER = {200: ("What the layer has, or what changed in it.", "application/json")}


@blueprint.get("/annotations")
@documented(Operation(LAYER, query=LayerQuery))
def read_layer() -> Response:
    """Read the accepted objects of a raster."""
    query = read_query(LayerQuery)
    entry = find_raster(query.raster)
    return answer_layer(services().annotations.read(entry.id, query.since), place(entry))


@blueprint.post("/annotations")
@documented(Operation(LAYER, body=ChangeBody))
def change_layer() -> Response:
    """Add, change and remove objects and classes, as one step that can be undone."""
    body = read_body(ChangeBody, MAX_ANNOTATION_BYTES)
    entry = find_raster(body.raster)
    placement = place(entry)
    edit = LayerEdit(
        _title(body),
        added=[_take(item, placement) for item in body.add],
        changed=_changes(entry, body.change, placement),
        removed=[SeenObject(item.id, item.revision) for item in body.remove],
        classes=None if body.classes is None else [ObjectClass(row.id, row.name, row.color) for row in body.classes],
    )
    return answer_layer(services().annotations.apply(entry.id, edit, body.since), placement)


@blueprint.post("/annotations/edit")
@documented(Operation(LAYER, body=EditBody))
def edit_layer() -> Response:
    """Merge, split or reshape objects."""
    body = read_body(EditBody)
    entry = find_raster(body.raster)
    placement = place(entry)
    found = _find(entry, body.objects)
    operation = LayerOperation(
        body.operation,
        body.tolerance_px,
        read_line(body.line, placement, "line") if body.line else None,
        _around(entry, found, body.tolerance_px) if body.operation == "snap" else (),
    )
    state = services().annotations.apply(entry.id, plan_edit(operation, found), body.since)
    return answer_layer(state, placement)


@blueprint.post("/annotations/undo")
@documented(Operation(LAYER, body=LayerBody))
def undo() -> Response:
    """Take the last change of the layer back."""
    body = read_body(LayerBody)
    entry = find_raster(body.raster)
    return answer_layer(services().annotations.undo(entry.id, body.since), place(entry))


@blueprint.post("/annotations/redo")
@documented(Operation(LAYER, body=LayerBody))
def redo() -> Response:
    """Make the change again that was taken back last."""
    body = read_body(LayerBody)
    entry = find_raster(body.raster)
    return answer_layer(services().annotations.redo(entry.id, body.since), place(entry))


def place(entry: RasterEntry) -> Placement:
    """Return where a raster lies now."""
    return read_place(entry.source)[0]


def answer_layer(state: LayerState, placement: Placement, notes: Sequence[str] = ()) -> Response:
    """Return a layer, or what changed in it, as JSON; `notes` are sentences for the person who asked."""
    rest = {
        "revision": state.revision,
        "since": state.since,
        "space": "lonlat" if placement.is_georeferenced else "pixel",
        "classes": [{"id": row.id, "name": row.name, "color": row.color} for row in state.classes],
        "removed": list(state.removed_ids),
        "undo": state.undo_title,
        "redo": state.redo_title,
        "notes": list(notes),
    }
    # Geometry comes as text; parsing it to write it again would take most of the time.
    text = f'{json.dumps(rest)[:-1]}, "objects": [{", ".join(_write_features(state.objects, placement))}]}}'
    return Response(text, content_type="application/json")


def _write_features(objects: Sequence[AnnotatedObject], placement: Placement) -> list[str]:
    outlines = [item.facts.outline for item in objects]
    areas_m2 = measure_areas(outlines, placement)
    geometries = write_geometries(outlines, placement)
    return [
        f'{{"type": "Feature", "id": {item.id}, "geometry": {geometry or "null"}, '
        f'"properties": {json.dumps(_properties(item, area_m2))}}}'
        for item, geometry, area_m2 in zip(objects, geometries, areas_m2, strict=True)
    ]


def _properties(item: AnnotatedObject, area_m2: float | None) -> dict[str, Any]:
    facts = item.facts
    return {
        "id": item.id,
        "revision": item.revision,
        "class": facts.class_name,
        "source": facts.source,
        "checkpoint": facts.checkpoint,
        "predicted_iou": facts.predicted_iou,
        "stability_score": facts.stability_score,
        "area_px": round(facts.outline.area),
        "area_m2": None if area_m2 is None else round(area_m2, 3),
        "created": item.created,
        "changed": item.changed,
    }


def _title(body: ChangeBody) -> str:
    """Return what the step is called in the history: its only part, or "change" where it has several."""
    parts = {"add": body.add, "remove": body.remove, "classes": body.classes}
    given = [name for name, part in parts.items() if part]
    return given[0] if len(given) == 1 and not body.change else "change"


def _take(item: SentObject, placement: Placement) -> ObjectFacts:
    return ObjectFacts(
        outline=check_outline(read_polygon(item.geometry, placement, "geometry")),
        class_name=item.class_name,
        source=item.source,
        checkpoint=item.checkpoint,
        predicted_iou=item.predicted_iou,
        stability_score=item.stability_score,
    )


def _changes(entry: RasterEntry, changes: Sequence[SentChange], placement: Placement) -> list[ChangedObject]:
    found = _find(entry, changes)
    return [
        ChangedObject(item.id, item.revision, _change(known.facts, item, placement))
        for item, known in zip(changes, found, strict=True)
    ]


def _change(facts: ObjectFacts, sent: SentChange, placement: Placement) -> ObjectFacts:
    if sent.geometry is not None:
        outline = check_outline(read_polygon(sent.geometry, placement, "geometry"))
        facts = replace(facts, outline=outline)
    return replace(facts, class_name=sent.class_name) if "class_name" in sent.model_fields_set else facts


def _find(entry: RasterEntry, references: Sequence[SentReference]) -> list[AnnotatedObject]:
    """Return objects in the order asked for; each once.

    Raises:
        BadParameter: one is asked for twice.
        Conflict: one is gone or has changed since the sender saw it.
    """
    seen = [SeenObject(item.id, item.revision) for item in references]
    if len({item.id for item in seen}) < len(seen):
        raise BadParameter("An object is named twice; name each object once.", "objects")
    return services().annotations.find(entry.id, seen)


def _around(entry: RasterEntry, objects: Sequence[AnnotatedObject], tolerance_px: float) -> list[Any]:
    """Return the outlines of all other objects within the tolerance of `objects`."""
    chosen = {item.id for item in objects}
    others = [item.facts.outline for item in services().annotations.read(entry.id).objects if item.id not in chosen]
    outlines = [item.facts.outline for item in objects]
    near = STRtree(others).query(outlines, predicate="dwithin", distance=tolerance_px)[1]
    return [others[index] for index in sorted(set(near.tolist()))]
