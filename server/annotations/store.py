"""The annotation layers of all rasters: read, edited, undone and redone, each in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from server.annotations.applying import apply_edit, check_count, prepare_edit
from server.annotations.changes import NEVER_EDITED, find_layer, read_layer, trim_removals
from server.annotations.classes import clean_class_name, extend_classes, from_json
from server.annotations.edits import LayerEdit, LayerState, Limits, SeenObject
from server.annotations.history import OBJECT_COLUMNS, exchange, find_step
from server.annotations.seen import find_seen
from server.annotations.states import decode_objects
from server.annotations.tables import LayerRow
from server.database import reading, writing
from server.errors import Conflict, NoSuchRaster, WrongMoment
from server.vectors.annotated import AnnotatedObject


class AnnotationStore:
    """Keeps the objects that people accept, draw or import, so that no edit is lost and every edit can be undone.

    Of two people, or tabs, that edit one layer, neither overwrites what it has not seen. Changes take the revision
    `since` that the caller knows: the answer holds all that has happened after it, and where the caller's knowledge
    matters and is out of date, nothing is changed. With None the answer holds just that change.
    """

    def __init__(self, engine: Engine, limits: Limits | None = None) -> None:
        self._engine = engine
        self._limits = limits or Limits()

    def read(self, raster_id: str, since: int = 0) -> LayerState:
        """Return what has changed after the revision `since`, everything for 0.

        A reader is given everything too, with `LayerState.since` 0, if it has been away for too many removals or the
        layer never had its revision; then it has to drop what it knew.
        """
        with reading(self._engine) as session:
            layer = find_layer(session, raster_id)
            return NEVER_EDITED if layer is None else read_layer(session, layer, since)

    def count(self, raster_id: str) -> int:
        """Return how many objects the layer of a raster has."""
        with reading(self._engine) as session:
            return session.scalar(select(LayerRow.n_objects).where(LayerRow.raster_id == raster_id)) or 0

    def check_room(self, raster_id: str, n_added: int, class_names: Collection[str]) -> None:
        """Refuse what could not be added to a layer as it is now, before anyone works on it.

        Raises:
            BadParameter: a class name is none, or there would be too many classes.
            TooLarge: there would be too many objects.
        """
        with reading(self._engine) as session:
            layer = find_layer(session, raster_id)
            n_present, table = (0, []) if layer is None else (layer.n_objects, from_json(layer.classes))
        check_count(n_present, n_added, 0, self._limits.n_objects)
        extend_classes(table, (clean_class_name(name) for name in class_names))

    def find(self, raster_id: str, seen: Sequence[SeenObject]) -> list[AnnotatedObject]:
        """Return objects in the order asked for.

        Raises:
            Conflict: one is gone or has changed since the caller saw it.
        """
        with reading(self._engine) as session:
            layer = find_layer(session, raster_id)
            rows = find_seen(session, layer, {item.id: item.revision for item in seen}, OBJECT_COLUMNS)
            table = [] if layer is None else from_json(layer.classes)
            return decode_objects((rows[item.id] for item in seen), table)

    def apply(self, raster_id: str, edit: LayerEdit, since: int | None = None) -> LayerState:
        """Do an edit as one undoable step; what had been undone can no longer be redone.

        Raises:
            BadParameter: an outline, a class or the number of classes is not allowed, or an object is named twice.
            Conflict: an object, or the class table to be replaced, has changed since the caller saw it.
            NoSuchRaster: the raster has been deleted or replaced.
            TooLarge: there would be too many objects or vertices.
        """
        prepared = prepare_edit(edit, self._limits.n_vertices)
        with writing(self._engine) as session:
            layer = find_layer(session, raster_id) or _make_layer(session, raster_id)
            if since is not None and edit.classes is not None and layer.classes_revision > since:
                raise Conflict(
                    "Meanwhile the classes have been changed, perhaps in another tab. Nothing was changed now; "
                    "load the annotations again, look, and repeat what is still wanted.",
                    "classes",
                )
            before = layer.revision
            apply_edit(session, layer, prepared, self._limits)
            trim_removals(session, layer, self._limits.n_removals)
            return read_layer(session, layer, before if since is None else since)

    def undo(self, raster_id: str, since: int | None = None) -> LayerState:
        """Take back the latest edit that has not been undone.

        Raises:
            Conflict: `since` is not the latest revision, so the caller would undo what it has not seen.
            WrongMoment: there is nothing to undo.
        """
        return self._move(raster_id, since, to_after=False)

    def redo(self, raster_id: str, since: int | None = None) -> LayerState:
        """Do again what was undone last.

        Raises:
            Conflict: `since` is not the latest revision, so the caller would redo what it has not seen.
            WrongMoment: there is nothing to redo.
        """
        return self._move(raster_id, since, to_after=True)

    def _move(self, raster_id: str, since: int | None, *, to_after: bool) -> LayerState:
        with writing(self._engine) as session:
            layer = find_layer(session, raster_id)
            if layer is not None and since is not None and since != layer.revision:
                raise Conflict(
                    "Meanwhile the annotations have been changed, perhaps in another tab. Nothing was changed now; "
                    "load them again, look, and repeat what is still wanted."
                )
            step = None if layer is None else find_step(session, layer, layer.position + to_after)
            if layer is None or step is None:
                raise WrongMoment(f"There is no annotation edit to {'redo' if to_after else 'undo'} on this raster.")
            before = layer.revision
            exchange(session, layer, step, to_after=to_after)
            trim_removals(session, layer, self._limits.n_removals)
            return read_layer(session, layer, before)


def _make_layer(session: Session, raster_id: str) -> LayerRow:
    layer = LayerRow(raster_id=raster_id)
    session.add(layer)
    try:
        session.flush()
    except IntegrityError as error:
        raise NoSuchRaster("This raster has been deleted or replaced meanwhile. Upload it again.", "raster") from error
    return layer
