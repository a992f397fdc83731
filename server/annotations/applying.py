"""Makes an edit a step of the layer's history and does that step, or refuses it as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, literal, null, select
from sqlalchemy.orm import Session

from server.annotations.classes import check_classes, clean_class_name, extend_classes, from_json, to_json
from server.annotations.edits import LayerEdit, Limits
from server.annotations.history import UNWATCHED, begin_step, exchange, trim_history
from server.annotations.seen import find_seen
from server.annotations.states import encode_states
from server.annotations.tables import STATE_NAMES, LayerRow, ObjectRow, StateRow, StepRow
from server.errors import TooLarge
from server.vectors.annotated import ObjectClass


@dataclass(frozen=True)
class PreparedEdit:
    """An edit as far as it can be worked out before the database is locked.

    Attributes:
        edit: what was asked for.
        seen: revision by id of the objects to change and to remove.
        classes: the checked class table, or None to leave it.
        class_names: of the objects to add, then of those to change.
        states: their other columns, likewise.
    """

    edit: LayerEdit
    seen: dict[int, int]
    classes: list[ObjectClass] | None
    class_names: list[str | None]
    states: list[dict[str, Any]]


def prepare_edit(edit: LayerEdit, max_vertices: int) -> PreparedEdit:
    """Check and encode an edit.

    Raises:
        BadParameter: an outline is empty, a class is none, or an object is named twice.
        TooLarge: an outline has more vertices than `max_vertices`.
    """
    facts = [*edit.added, *(item.facts for item in edit.changed)]
    names = {item.class_name for item in facts}
    cleaned = {name: None if name is None else clean_class_name(name) for name in names}
    return PreparedEdit(
        edit=edit,
        seen=edit.seen(),
        classes=None if edit.classes is None else check_classes(edit.classes),
        class_names=[cleaned[item.class_name] for item in facts],
        states=encode_states(facts, max_vertices),
    )


def apply_edit(session: Session, layer: LayerRow, prepared: PreparedEdit, limits: Limits) -> None:
    """Change the layer; an edit without effect makes no step.

    Raises:
        BadParameter: there would be too many classes.
        Conflict: an object is not as the caller saw it.
        TooLarge: there would be more objects or vertices than allowed.
    """
    found = find_seen(session, layer, prepared.seen, [ObjectRow.created])
    check_count(layer.n_objects, len(prepared.edit.added), len(prepared.edit.removed), limits.n_objects)
    earlier = from_json(layer.classes)
    names = (name for name in prepared.class_names if name is not None)
    table = extend_classes(earlier if prepared.classes is None else prepared.classes, names)
    if not prepared.states and not prepared.seen and table == earlier:
        return
    step = begin_step(session, layer, prepared.edit.title)
    states = _target_states(layer, prepared, table, {row.id: row.created for row in found.values()})
    if states:
        session.execute(insert(StateRow), [{**state, "step": step.id, "is_after": True} for state in states])
    if prepared.classes is not None:
        kept = {row.id for row in prepared.classes}
        _make_classless(session, layer, step, [row.id for row in earlier if row.id not in kept])
    if table != earlier:
        step.classes = to_json(table)
    exchange(session, layer, step, to_after=True)
    if layer.n_bytes > limits.n_bytes:
        raise TooLarge(
            f"The outlines of this raster's annotations would take {layer.n_bytes / 1e6:.1f} MB; at most "
            f"{limits.n_bytes / 1e6:.1f} MB are kept. Simplify outlines, or remove objects that are not needed."
        )
    trim_history(session, layer, limits)


def check_count(n_present: int, n_added: int, n_removed: int, max_objects: int) -> None:
    """Refuse more objects than a layer may have.

    Raises:
        TooLarge: there would be too many.
    """
    n_objects = n_present + n_added - n_removed
    if n_added and n_objects > max_objects:
        raise TooLarge(
            f"This raster would have {n_objects:,} annotated objects; at most {max_objects:,} are kept. "
            "Add fewer, or remove some first."
        )


def _target_states(
    layer: LayerRow, prepared: PreparedEdit, table: Sequence[ObjectClass], created: dict[int, str]
) -> list[dict[str, Any]]:
    """Return the rows of what the edit's objects are to be; new ones get their ids."""
    edit, now = prepared.edit, _now()
    class_ids: dict[str | None, int | None] = {None: None, **{row.name: row.id for row in table}}
    ids = [*range(layer.next_id, layer.next_id + len(edit.added)), *(item.id for item in edit.changed)]
    layer.next_id += len(edit.added)
    rows = [
        {**state, "object_id": number, "class_id": class_ids[name], "created": created.get(number, now), "changed": now}
        for number, name, state in zip(ids, prepared.class_names, prepared.states, strict=True)
    ]
    absent = dict.fromkeys(STATE_NAMES)
    return rows + [{**absent, "object_id": item.id} for item in edit.removed]


def _make_classless(session: Session, layer: LayerRow, step: StepRow, class_ids: Sequence[int]) -> None:
    """Let the step take away these classes from all objects that it does not change anyway."""
    replaced = {"class_id": null(), "changed": literal(_now())}
    columns = [replaced.get(name, getattr(ObjectRow, name)) for name in STATE_NAMES]
    named = select(StateRow.object_id).where(StateRow.step == step.id)
    orphans = select(literal(step.id), ObjectRow.id, literal(True), *columns).where(
        ObjectRow.layer == layer.number, ObjectRow.class_id.in_(class_ids), ObjectRow.id.not_in(named)
    )
    session.execute(
        insert(StateRow).from_select(["step", "object_id", "is_after", *STATE_NAMES], orphans),
        execution_options=UNWATCHED,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
