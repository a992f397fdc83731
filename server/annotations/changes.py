"""What readers of a layer are told: everything, or what has changed since they last looked."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from server.annotations.classes import from_json
from server.annotations.edits import LayerState
from server.annotations.history import OBJECT_COLUMNS, UNWATCHED, read_titles
from server.annotations.states import decode_objects
from server.annotations.tables import LayerRow, ObjectRow, RemovalRow

NEVER_EDITED = LayerState(0, 0, (), (), (), None, None)


def find_layer(session: Session, raster_id: str) -> LayerRow | None:
    """Return the layer of a raster, None while it has never been edited."""
    return session.scalars(select(LayerRow).where(LayerRow.raster_id == raster_id)).one_or_none()


def read_layer(session: Session, layer: LayerRow, since: int) -> LayerState:
    """Return what has changed after a revision; everything where the layer no longer knows, or never had it.

    Args:
        session: sees one state of the database.
        layer: what to read.
        since: a revision of the layer; 0 for everything.
    """
    if since < layer.removals_from or since > layer.revision:
        since = 0
    table = from_json(layer.classes)
    columns = (ObjectRow.id, ObjectRow.revision, *OBJECT_COLUMNS)
    objects = select(*columns).where(ObjectRow.layer == layer.number).order_by(ObjectRow.id)
    removed_ids: list[int] = []
    if since > 0:
        objects = objects.where(ObjectRow.revision > since)
        removed = select(RemovalRow.id).where(RemovalRow.layer == layer.number, RemovalRow.revision > since)
        removed_ids = sorted(session.scalars(removed))
    found = decode_objects(session.execute(objects), table)
    return LayerState(layer.revision, since, table, found, removed_ids, *read_titles(session, layer))


def trim_removals(session: Session, layer: LayerRow, n_kept: int) -> None:
    """Forget the oldest removals, so that a layer edited for years does not grow without end."""
    mine = RemovalRow.layer == layer.number
    surplus = select(RemovalRow.revision).where(mine).order_by(RemovalRow.revision.desc()).offset(n_kept).limit(1)
    revision = session.scalar(surplus)
    if revision is not None:
        session.execute(delete(RemovalRow).where(mine, RemovalRow.revision <= revision), execution_options=UNWATCHED)
        layer.removals_from = revision
