"""Classes are made by use, edited as a table, and follow undo and redo with their objects."""

from __future__ import annotations

import pytest

from server.annotations.classes import extend_classes
from server.annotations.edits import ChangedObject, LayerEdit, SeenObject
from server.errors import BadParameter, Conflict
from server.vectors.annotated import ObjectClass, ObjectFacts
from tests.annotations.squares import roofs, square

ROOF, POOL = ObjectClass(1, "roof", "#aa0000"), ObjectClass(2, "pool", "#0000ff")


def names(state):
    return {item.id: item.facts.class_name for item in state.objects}


def test_a_class_is_made_by_its_first_object(store, raster_id):
    state = store.apply(
        raster_id, LayerEdit("add", [ObjectFacts(square(0), name) for name in ("b", " a  a ", "b", None)])
    )
    assert [(row.id, row.name) for row in state.classes] == [(1, "b"), (2, "a a")]
    assert len({row.color for row in state.classes}) == 2
    assert names(state) == {1: "b", 2: "a a", 3: "b", 4: None}
    assert store.apply(raster_id, LayerEdit("classes", classes=state.classes)).revision == 1


def test_new_classes_get_the_lowest_free_ids():
    table = extend_classes([ObjectClass(2, "pool", "#0000ff")], ["roof", "pool", "road"])
    assert [(row.id, row.name) for row in table] == [(1, "roof"), (2, "pool"), (3, "road")]


def test_renaming_a_class_takes_its_objects_along(store, raster_id):
    store.apply(raster_id, roofs(0, 10))
    store.apply(raster_id, roofs(20, class_name="pool"))
    answer = store.apply(raster_id, LayerEdit("classes", classes=[ObjectClass(1, "house", "#AA0000"), POOL]))
    assert names(answer) == {1: "house", 2: "house"}
    assert list(answer.classes) == [ObjectClass(1, "house", "#aa0000"), POOL]
    assert names(store.read(raster_id)) == {1: "house", 2: "house", 3: "pool"}
    assert names(store.undo(raster_id)) == {1: "roof", 2: "roof"}
    assert names(store.redo(raster_id)) == {1: "house", 2: "house"}


def test_classes_may_swap_their_names(store, raster_id):
    store.apply(raster_id, LayerEdit("add", [ObjectFacts(square(0), "roof"), ObjectFacts(square(9), "pool")]))
    swapped = [ObjectClass(1, "pool", "#aa0000"), ObjectClass(2, "roof", "#0000ff")]
    assert names(store.apply(raster_id, LayerEdit("classes", classes=swapped))) == {1: "pool", 2: "roof"}


def test_another_colour_changes_no_object(store, raster_id):
    store.apply(raster_id, roofs(0))
    answer = store.apply(raster_id, LayerEdit("classes", classes=[ROOF]))
    assert (answer.revision, list(answer.classes), answer.objects) == (2, [ROOF], [])


def test_leaving_a_class_out_makes_its_objects_classless(store, raster_id):
    store.apply(raster_id, roofs(0, 10))
    added = store.apply(raster_id, roofs(20, class_name="pool"))
    answer = store.apply(raster_id, LayerEdit("classes", classes=[row for row in added.classes if row.name == "pool"]))
    assert names(answer) == {1: None, 2: None}
    assert [row.name for row in answer.classes] == ["pool"]
    undone = store.undo(raster_id)
    assert names(undone) == {1: "roof", 2: "roof"}
    assert undone.classes == added.classes


def test_a_table_may_change_with_the_objects_it_is_for(store, raster_id):
    store.apply(raster_id, roofs(0, 10, 20))
    edit = LayerEdit(
        "classes",
        added=[ObjectFacts(square(30), "road")],
        changed=[ChangedObject(1, 1, ObjectFacts(square(0), "pool"))],
        removed=[SeenObject(2, 1)],
        classes=[POOL],
    )
    answer = store.apply(raster_id, edit, since=1)
    assert [(row.id, row.name) for row in answer.classes] == [(1, "road"), (2, "pool")]
    assert (names(answer), answer.removed_ids) == ({1: "pool", 3: None, 4: "road"}, [2])
    undone = store.undo(raster_id)
    assert (names(undone), undone.removed_ids) == ({1: "roof", 2: "roof", 3: "roof"}, [4])
    assert (names(store.redo(raster_id)), store.read(raster_id).classes) == (names(answer), answer.classes)


def test_nobody_replaces_a_class_table_it_has_not_seen(store, raster_id):
    store.apply(raster_id, roofs(0))
    state = store.apply(raster_id, roofs(10, class_name="pool"), since=0)
    with pytest.raises(Conflict, match="classes"):
        store.apply(raster_id, LayerEdit("classes", classes=[ROOF]), since=1)
    assert store.read(raster_id) == state
    store.apply(raster_id, roofs(20))
    assert list(store.apply(raster_id, LayerEdit("classes", classes=[ROOF]), since=2).classes) == [ROOF]


@pytest.mark.parametrize(
    ("classes", "found"),
    [
        ([ObjectClass(0, "roof", "#aa0000")], "id 0"),
        ([ObjectClass(256, "roof", "#aa0000")], "id 256"),
        ([ObjectClass(1, " \u200b\n", "#aa0000")], "0 visible"),
        ([ObjectClass(1, "x" * 101, "#aa0000")], "101 visible"),
        ([ObjectClass(1, "roof", "red")], '"red"'),
        ([ObjectClass(1, "roof", "#aa0000\n")], "colour"),
        ([ROOF, ObjectClass(1, "pool", "#aa0000")], 'id "1"'),
        ([ROOF, ObjectClass(2, " roof", "#aa0000")], 'name "roof"'),
    ],
)
def test_what_is_no_class_table_is_refused(store, raster_id, classes, found):
    with pytest.raises(BadParameter, match=found) as refused:
        store.apply(raster_id, LayerEdit("classes", classes=classes))
    assert refused.value.field in {"class", "classes"}
    assert store.read(raster_id).revision == 0


def test_there_are_as_many_classes_as_a_class_raster_has_values(store, raster_id):
    full = store.apply(raster_id, LayerEdit("add", [ObjectFacts(square(0), f"class {n}") for n in range(255)]))
    assert {row.id for row in full.classes} == set(range(1, 256))
    with pytest.raises(BadParameter, match="256 classes; at most 255"):
        store.apply(raster_id, roofs(0, class_name="one more"))
