"""Every edit can be taken back and repeated exactly, within limits that never touch the latest one."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from server.annotations.edits import ChangedObject, LayerEdit, Limits, SeenObject
from server.annotations.store import AnnotationStore
from server.annotations.tables import StateRow
from server.database import reading
from server.errors import Conflict, WrongMoment
from server.vectors.annotated import ObjectFacts
from tests.annotations.squares import roofs, square


def contents(state):
    """Return what a layer holds, without the revisions that tell when it came to hold it."""
    return state.classes, [(item.id, item.facts, item.created, item.changed) for item in state.objects]


def change(store, raster_id, *numbers):
    """Change the first object, as it is now, once for each number."""
    for number in numbers:
        revision = store.read(raster_id).objects[0].revision
        facts = ObjectFacts(square(number), f"class {number}")
        store.apply(raster_id, LayerEdit(f"change {number}", changed=[ChangedObject(1, revision, facts)]))


@pytest.mark.parametrize(
    "edit",
    [
        roofs(40, 50, class_name="pool"),
        LayerEdit("change", changed=[ChangedObject(2, 1, ObjectFacts(square(9)))]),
        LayerEdit("remove", removed=[SeenObject(1, 1), SeenObject(3, 1)]),
        LayerEdit("merge", [ObjectFacts(square(1), "both")], removed=[SeenObject(1, 1), SeenObject(2, 1)]),
        LayerEdit("classes", classes=[]),
    ],
    ids=lambda edit: edit.title,
)
def test_undo_then_redo_changes_nothing(store, raster_id, edit):
    before = store.apply(raster_id, roofs(0, 10, 20))
    store.apply(raster_id, edit)
    after = store.read(raster_id)
    undone = store.undo(raster_id)
    assert contents(store.read(raster_id)) == contents(before)
    assert (undone.undo_title, undone.redo_title) == ("add", edit.title)
    redone = store.redo(raster_id)
    assert contents(store.read(raster_id)) == contents(after)
    assert (redone.undo_title, redone.redo_title) == (edit.title, None)
    assert (undone.revision, redone.revision) == (3, 4)


def test_an_undone_addition_is_a_removal_for_readers(store, raster_id):
    store.apply(raster_id, roofs(0))
    store.apply(raster_id, roofs(10, 20))
    answer = store.undo(raster_id)
    assert (answer.since, answer.objects, answer.removed_ids) == (2, [], [2, 3])
    assert store.read(raster_id, 2).removed_ids == [2, 3]
    answer = store.redo(raster_id)
    assert ([item.id for item in answer.objects], answer.removed_ids) == ([2, 3], [])
    assert store.read(raster_id, 2).removed_ids == []


def test_ids_come_back_with_their_object_and_are_never_used_again(store, raster_id):
    store.apply(raster_id, roofs(0, 10))
    store.undo(raster_id)
    assert [item.id for item in store.apply(raster_id, roofs(20)).objects] == [3]
    store.apply(raster_id, LayerEdit("remove", removed=[SeenObject(3, 3)]))
    assert [(item.id, item.revision) for item in store.undo(raster_id).objects] == [(3, 5)]


def test_a_new_edit_ends_what_could_be_redone(store, raster_id):
    store.apply(raster_id, roofs(0))
    store.apply(raster_id, roofs(10))
    store.undo(raster_id)
    assert store.apply(raster_id, roofs(20)).redo_title is None
    with pytest.raises(WrongMoment, match="redo"):
        store.redo(raster_id)


def test_an_edit_without_effect_keeps_what_can_be_redone(store, raster_id):
    store.apply(raster_id, roofs(0))
    store.undo(raster_id)
    assert store.apply(raster_id, LayerEdit("nothing")).redo_title == "add"


def test_without_edits_there_is_nothing_to_undo(store, raster_id):
    for move in (store.undo, store.redo):
        with pytest.raises(WrongMoment):
            move(raster_id)
    store.apply(raster_id, roofs(0))
    store.undo(raster_id)
    with pytest.raises(WrongMoment, match="undo"):
        store.undo(raster_id)
    assert store.read(raster_id).revision == 2


def test_nobody_undoes_what_it_has_not_seen(store, raster_id):
    store.apply(raster_id, roofs(0))
    state = store.apply(raster_id, roofs(10), since=0)
    with pytest.raises(Conflict):
        store.undo(raster_id, since=1)
    assert store.read(raster_id) == state
    store.undo(raster_id, since=2)
    with pytest.raises(Conflict):
        store.redo(raster_id, since=2)
    assert store.redo(raster_id, since=3).revision == 4


def test_an_object_brought_back_is_no_longer_as_others_saw_it(store, raster_id):
    store.apply(raster_id, roofs(0))
    store.apply(raster_id, LayerEdit("remove", removed=[SeenObject(1, 1)]))
    store.undo(raster_id)
    with pytest.raises(Conflict):
        store.apply(raster_id, LayerEdit("remove", removed=[SeenObject(1, 1)]))


def test_history_is_bounded_by_steps(engine, raster_id):
    store = AnnotationStore(engine, Limits(n_steps=3))
    store.apply(raster_id, roofs(0))
    change(store, raster_id, 1, 2, 3, 4, 5)
    titles = [store.undo(raster_id).redo_title for _ in range(3)]
    assert titles == ["change 5", "change 4", "change 3"]
    with pytest.raises(WrongMoment):
        store.undo(raster_id)
    assert [store.redo(raster_id).undo_title for _ in range(3)] == titles[::-1]
    assert store.read(raster_id).objects[0].facts.class_name == "class 5"


def test_history_is_bounded_by_bytes_but_the_latest_edit_can_be_undone(engine, raster_id):
    store = AnnotationStore(engine, Limits(n_history_bytes=1000))  # a square takes about 300
    store.apply(raster_id, roofs(0))
    change(store, raster_id, 1, 2, 3, 4, 5)
    for _ in range(3):
        store.undo(raster_id)
    with pytest.raises(WrongMoment):
        store.undo(raster_id)
    tiny = AnnotationStore(engine, Limits(n_history_bytes=1))
    change(tiny, raster_id, 6, 7)
    assert tiny.undo(raster_id).redo_title == "change 7"
    with pytest.raises(WrongMoment):
        tiny.undo(raster_id)


def test_an_addition_takes_no_outlines_of_history_until_it_is_undone(store, engine, raster_id):
    def n_kept():
        with reading(engine) as session:
            return session.scalar(select(func.count(StateRow.outline)))

    before = n_kept()
    store.apply(raster_id, roofs(*range(50)))
    assert n_kept() == before
    store.undo(raster_id)
    assert n_kept() == before + 50
    store.redo(raster_id)
    assert n_kept() == before
