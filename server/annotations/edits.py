"""What callers of the annotation layer hand in and get back, and how much of it is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.errors import BadParameter
from server.vectors.annotated import AnnotatedObject, ObjectClass, ObjectFacts


@dataclass(frozen=True)
class Limits:
    """Bounds of one layer.

    Attributes:
        n_objects: objects at a time.
        n_vertices: vertices of one object.
        n_bytes: space of all outlines, 16 bytes per vertex.
        n_steps: steps that can be undone.
        n_history_bytes: space of what undone and redone steps need; the latest edit can always be undone.
        n_removals: removed objects that readers of changes are told exactly.
    """

    n_objects: int = 100_000
    n_vertices: int = 100_000
    n_bytes: int = 256_000_000
    n_steps: int = 500
    n_history_bytes: int = 512_000_000
    n_removals: int = 200_000


@dataclass(frozen=True)
class SeenObject:
    """An object as the caller saw it; `revision` is that of the object."""

    id: int
    revision: int


@dataclass(frozen=True)
class ChangedObject:
    """An object as the caller saw it, and what it becomes."""

    id: int
    revision: int
    facts: ObjectFacts


@dataclass(frozen=True)
class LayerEdit:
    """One undoable step.

    Attributes:
        title: machine-readable word for it, such as "add" or "merge".
        added: new objects; they get ids in this order.
        changed: objects that get other facts.
        removed: objects to remove.
        classes: the whole new class table, or None to leave it. The same id with another name renames a class, objects
            of a class that is left out become classless. Names of classes that it misses are added to it.
    """

    title: str
    added: Sequence[ObjectFacts] = ()
    changed: Sequence[ChangedObject] = ()
    removed: Sequence[SeenObject] = ()
    classes: Sequence[ObjectClass] | None = None

    def seen(self) -> dict[int, int]:
        """Return the revision by id of the objects to change and to remove.

        Raises:
            BadParameter: an object is named twice.
        """
        named: list[ChangedObject | SeenObject] = [*self.changed, *self.removed]
        seen = {item.id: item.revision for item in named}
        if len(seen) < len(named):
            raise BadParameter(
                f"{len(named)} changes and removals name only {len(seen)} different objects; name each object once.",
                "change",
            )
        return seen


@dataclass(frozen=True)
class LayerState:
    """What leads a reader from revision `since` of a layer to revision `revision`.

    A reader whose own revision lies before `since` has missed edits of others: it reads from its own revision.

    Attributes:
        revision: 0 for a layer never edited.
        since: 0 where `objects` are all there are.
        classes: the whole class table, by id.
        objects: those changed after `since`, as they are now, by id.
        removed_ids: objects removed after `since`, among them some that came after it too; empty where `since` is 0.
        undo_title: of the edit that undo takes back, None where there is none.
        redo_title: of the edit that redo repeats, None where there is none.
    """

    revision: int
    since: int
    classes: Sequence[ObjectClass]
    objects: Sequence[AnnotatedObject]
    removed_ids: Sequence[int]
    undo_title: str | None
    redo_title: str | None
