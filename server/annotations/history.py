"""Steps back and forth: each exchanges what its objects are with what they are on the step's other side.

A step that is done holds its objects as they were before it; once undone, as they were after it. So an edit, its undo
and its redo are one and the same exchange, and a mere addition takes next to no space until it is undone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from server.annotations.edits import Limits
from server.annotations.tables import STATE_NAMES, LayerRow, ObjectRow, RemovalRow, StateRow, StepRow

# What a state takes beside its outline, roughly.
STATE_BYTES = 200
# No row of these tables is looked at again after such a statement, so none has to be kept current in memory.
UNWATCHED = {"synchronize_session": False}
STATE_COLUMNS = [getattr(StateRow, name) for name in STATE_NAMES]
OBJECT_COLUMNS = [getattr(ObjectRow, name) for name in STATE_NAMES]


def begin_step(session: Session, layer: LayerRow, title: str) -> StepRow:
    """Add a step after the latest one that is done, in place of those that could be redone."""
    undone = delete(StepRow).where(StepRow.layer == layer.number, StepRow.number > layer.position)
    session.execute(undone, execution_options=UNWATCHED)
    step = StepRow(layer=layer.number, number=layer.position + 1, title=title)
    session.add(step)
    session.flush()
    return step


def find_step(session: Session, layer: LayerRow, number: int) -> StepRow | None:
    """Return a step of the layer by its number."""
    return session.scalars(select(StepRow).where(StepRow.layer == layer.number, StepRow.number == number)).one_or_none()


def read_titles(session: Session, layer: LayerRow) -> tuple[str | None, str | None]:
    """Return the titles of the edits that undo takes back and redo repeats."""
    near = StepRow.number.in_((layer.position, layer.position + 1))
    query = select(StepRow.number, StepRow.title).where(StepRow.layer == layer.number, near)
    titles = {row.number: row.title for row in session.execute(query)}
    return titles.get(layer.position), titles.get(layer.position + 1)


def exchange(session: Session, layer: LayerRow, step: StepRow, *, to_after: bool) -> None:
    """Make the layer what it is on the step's other side, one revision later.

    Args:
        session: holds the write lock.
        layer: it gets a new revision and the step before or at its position.
        step: it holds the states of that other side.
        to_after: True to do or redo the step, False to undo it.
    """
    layer.revision += 1
    layer.position = step.number if to_after else step.number - 1
    _exchange_objects(session, layer, step, to_after)
    if step.classes is not None:
        _exchange_classes(session, layer, step)


def trim_history(session: Session, layer: LayerRow, limits: Limits) -> None:
    """Drop the oldest steps that are over the limits, never the latest one."""
    query = select(StepRow.number, StepRow.n_bytes).where(StepRow.layer == layer.number).order_by(StepRow.number.desc())
    n_bytes = n_steps = 0
    for number, step_bytes in session.execute(query).all():
        n_steps, n_bytes = n_steps + 1, n_bytes + step_bytes
        if n_steps > 1 and (n_steps > limits.n_steps or n_bytes > limits.n_history_bytes):
            surplus = delete(StepRow).where(StepRow.layer == layer.number, StepRow.number <= number)
            session.execute(surplus, execution_options=UNWATCHED)
            return


def _exchange_objects(session: Session, layer: LayerRow, step: StepRow, to_after: bool) -> None:
    coming = and_(StateRow.step == step.id, StateRow.is_after == to_after)
    going = and_(StateRow.step == step.id, StateRow.is_after != to_after)
    ids = select(StateRow.object_id).where(coming)
    exists = StateRow.outline.is_not(None)
    as_it_is = and_(ObjectRow.layer == layer.number, ObjectRow.id == StateRow.object_id)
    kept = select(literal(step.id), StateRow.object_id, literal(not to_after), *OBJECT_COLUMNS)
    placed = select(literal(layer.number), StateRow.object_id, literal(layer.revision), *STATE_COLUMNS)
    removed = select(literal(layer.number), StateRow.object_id, literal(layer.revision))
    statements = (
        insert(StateRow).from_select(
            ["step", "object_id", "is_after", *STATE_NAMES],
            kept.select_from(StateRow).outerjoin(ObjectRow, as_it_is).where(coming),
        ),
        delete(ObjectRow).where(ObjectRow.layer == layer.number, ObjectRow.id.in_(ids)),
        insert(ObjectRow).from_select(["layer", "id", "revision", *STATE_NAMES], placed.where(coming, exists)),
        delete(RemovalRow).where(RemovalRow.layer == layer.number, RemovalRow.id.in_(ids)),
        insert(RemovalRow).from_select(["layer", "id", "revision"], removed.where(coming, ~exists)),
    )
    for statement in statements:
        session.execute(statement, execution_options=UNWATCHED)
    n_coming, bytes_coming, _ = _measure(session, coming)
    n_going, bytes_going, n_states = _measure(session, going)
    session.execute(delete(StateRow).where(coming), execution_options=UNWATCHED)
    layer.n_objects += n_coming - n_going
    layer.n_bytes += bytes_coming - bytes_going
    step.n_bytes = bytes_going + n_states * STATE_BYTES


def _exchange_classes(session: Session, layer: LayerRow, step: StepRow) -> None:
    earlier = {row["id"]: row["name"] for row in layer.classes}
    layer.classes, step.classes = step.classes or [], layer.classes
    layer.classes_revision = layer.revision
    renamed = [row["id"] for row in layer.classes if earlier.get(row["id"], row["name"]) != row["name"]]
    # Their objects are called otherwise now, which readers of changes must hear of; the outlines need no copy for it.
    followers = update(ObjectRow).where(ObjectRow.layer == layer.number, ObjectRow.class_id.in_(renamed))
    session.execute(followers.values(revision=layer.revision), execution_options=UNWATCHED)


def _measure(session: Session, condition: ColumnElement[bool]) -> tuple[int, int, int]:
    """Return how many of the states are of an object, the bytes of their outlines, and how many states there are."""
    columns: tuple[Any, ...] = (
        func.count(StateRow.outline),
        func.coalesce(func.sum(func.length(StateRow.outline)), 0),
        func.count(),
    )
    n_objects, n_bytes, n_states = session.execute(select(*columns).select_from(StateRow).where(condition)).one()
    return n_objects, n_bytes, n_states
