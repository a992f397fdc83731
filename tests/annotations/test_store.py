"""Objects come back as they were put in, readers learn what changed, and nothing outlives its raster."""

from __future__ import annotations

import pytest
import shapely
from sqlalchemy import func, select

from server.annotations.edits import ChangedObject, LayerEdit, SeenObject
from server.annotations.store import AnnotationStore
from server.annotations.tables import LayerRow, ObjectRow, RemovalRow, StateRow, StepRow
from server.database import open_database, reading
from server.errors import BadParameter, Conflict, NoSuchRaster, WrongMoment
from server.vectors.annotated import ObjectFacts
from tests.annotations.squares import roofs, square

WITH_HOLE = shapely.MultiPolygon(
    [
        shapely.Polygon([(0.1, 0), (9, 0.25), (9, 9), (0, 1 / 3 + 8)], [[(2, 2), (2, 4), (4, 4), (4, 2)]]),
        shapely.box(20, 20, 30, 30),
    ]
)
FOUND = ObjectFacts(WITH_HOLE, "field", "automatic", "sam_vit_b", 0.1 + 0.2, 0.95, (3.5, 1e-9))


def test_a_layer_never_edited_is_empty(store, raster_id):
    state = store.read(raster_id)
    assert (state.revision, state.classes, state.objects, state.undo_title) == (0, (), (), None)
    assert store.count(raster_id) == 0


def test_objects_come_back_exactly_as_they_were_put_in(store, raster_id):
    drawn = ObjectFacts(square(5))
    answer = store.apply(raster_id, LayerEdit("add", added=[FOUND, drawn]))
    state = store.read(raster_id)
    assert answer == state
    assert [item.facts for item in state.objects] == [FOUND, drawn]
    assert shapely.equals_exact(state.objects[0].facts.outline, WITH_HOLE, tolerance=0.0)
    assert [(item.id, item.revision) for item in state.objects] == [(1, 1), (2, 1)]
    assert state.objects[0].created == state.objects[0].changed
    assert state.objects[0].created.endswith("Z")
    assert (state.revision, state.undo_title, state.redo_title) == (1, "add", None)
    assert store.count(raster_id) == 2


def test_a_layer_survives_a_restart(store, base, raster_id):
    state = store.apply(raster_id, roofs(0, 10))
    again = open_database(base / "service.sqlite")
    assert AnnotationStore(again).read(raster_id) == state
    again.dispose()


def test_changed_objects_keep_their_id_and_birthday(store, raster_id):
    first, second = store.apply(raster_id, roofs(0, 10)).objects
    answer = store.apply(raster_id, LayerEdit("change", changed=[ChangedObject(1, 1, FOUND)]))
    (changed,) = answer.objects
    assert (changed.id, changed.revision, changed.facts, changed.created) == (1, 2, FOUND, first.created)
    assert store.read(raster_id).objects == [changed, second]


def test_readers_learn_what_changed_since_they_looked(store, raster_id):
    store.apply(raster_id, roofs(0, 10, 20))
    store.apply(raster_id, LayerEdit("change", changed=[ChangedObject(2, 1, FOUND)]))
    store.apply(raster_id, LayerEdit("remove", removed=[SeenObject(3, 1)]))
    assert [item.id for item in store.read(raster_id, 1).objects] == [2]
    assert store.read(raster_id, 1).removed_ids == [3]
    assert (store.read(raster_id, 2).objects, store.read(raster_id, 2).removed_ids) == ([], [3])
    latest = store.read(raster_id, 3)
    assert (latest.revision, latest.since, latest.objects, latest.removed_ids) == (3, 3, [], [])
    assert ([item.id for item in store.read(raster_id).objects], store.read(raster_id).removed_ids) == ([1, 2], [])


def test_an_answer_covers_all_the_caller_has_not_seen(store, raster_id):
    store.apply(raster_id, roofs(0))
    store.apply(raster_id, roofs(10))
    only_this = store.apply(raster_id, roofs(20))
    assert (only_this.since, [item.id for item in only_this.objects]) == (2, [3])
    everything_missed = store.apply(raster_id, roofs(30), since=1)
    assert (everything_missed.since, [item.id for item in everything_missed.objects]) == (1, [2, 3, 4])


def test_who_knows_a_revision_that_never_was_is_told_everything(store, raster_id):
    state = store.apply(raster_id, roofs(0))
    assert store.read(raster_id, 7) == state
    assert state.since == 0


@pytest.mark.parametrize(
    "edit",
    [
        LayerEdit("change", added=[FOUND], changed=[ChangedObject(1, 1, FOUND)]),
        LayerEdit("remove", added=[FOUND], removed=[SeenObject(2, 1), SeenObject(1, 1)]),
        LayerEdit("remove", added=[FOUND], removed=[SeenObject(9, 1)]),
    ],
)
def test_an_edit_of_what_has_changed_meanwhile_is_refused_as_a_whole(store, raster_id, edit):
    store.apply(raster_id, roofs(0, 10))
    state = store.apply(raster_id, LayerEdit("change", changed=[ChangedObject(1, 1, FOUND)]), since=0)
    outdated = 9 if edit.removed and edit.removed[0].id == 9 else 1
    with pytest.raises(Conflict, match=rf"tab: {outdated}\. Nothing"):
        store.apply(raster_id, edit)
    assert store.read(raster_id) == state


def test_objects_are_found_as_they_were_seen(store, raster_id):
    first, _, third = store.apply(raster_id, roofs(0, 10, 20)).objects
    assert store.find(raster_id, [SeenObject(3, 1), SeenObject(1, 1)]) == [third, first]
    store.apply(raster_id, LayerEdit("change", changed=[ChangedObject(2, 1, FOUND)]))
    with pytest.raises(Conflict, match="tab: 2, 7"):
        store.find(raster_id, [SeenObject(1, 1), SeenObject(7, 1), SeenObject(2, 1)])


def test_nothing_is_found_where_there_is_no_layer(store, raster_id):
    assert store.find(raster_id, []) == []
    with pytest.raises(Conflict):
        store.find(raster_id, [SeenObject(1, 1)])


def test_a_conflict_names_at_most_twenty_objects(store, raster_id):
    store.apply(raster_id, roofs(*range(30)))
    with pytest.raises(Conflict, match=r": 1, 2, .*, 20 and 5 more\. Nothing"):
        store.apply(raster_id, LayerEdit("remove", removed=[SeenObject(number, 0) for number in range(1, 26)]))


def test_an_object_is_named_once(store, raster_id):
    store.apply(raster_id, roofs(0))
    twice = LayerEdit("change", changed=[ChangedObject(1, 1, FOUND)], removed=[SeenObject(1, 1)])
    with pytest.raises(BadParameter, match="each object once"):
        store.apply(raster_id, twice)


def test_an_edit_of_nothing_is_no_step(store, raster_id):
    store.apply(raster_id, roofs(0))
    answer = store.apply(raster_id, LayerEdit("nothing"))
    assert (answer.revision, answer.objects, answer.undo_title) == (1, [], "add")


def test_layers_know_nothing_of_each_other(store, add_raster):
    first, second = add_raster(), add_raster()
    store.apply(first, roofs(0, 10))
    state = store.apply(second, roofs(20, class_name="pool"))
    assert [(item.id, item.facts.class_name) for item in state.objects] == [(1, "pool")]
    store.undo(second)
    assert len(store.read(first).objects) == 2
    assert store.read(second).objects == []


@pytest.mark.parametrize("end", ["deleted", "replaced", "client gone"])
def test_a_layer_goes_with_its_raster(store, engine, rasters, clients, client, add_raster, end):
    before = rows_of_layers(engine)
    raster_id = add_raster("mine.tif")
    store.apply(raster_id, roofs(0, 10))
    store.apply(raster_id, LayerEdit("remove", removed=[SeenObject(1, 1)]))
    store.apply(raster_id, roofs(20))
    assert all(now > then for now, then in zip(rows_of_layers(engine), before, strict=True))
    if end == "deleted":
        rasters.delete(client, "mine.tif")
    elif end == "replaced":
        assert store.read(add_raster("mine.tif")).revision == 0
    else:
        clients.delete(client.id)
    assert rows_of_layers(engine) == before
    assert store.read(raster_id).revision == 0
    for change in (lambda: store.apply(raster_id, roofs(0)), lambda: store.apply(raster_id, LayerEdit("nothing"))):
        with pytest.raises(NoSuchRaster, match="deleted or replaced"):
            change()
    with pytest.raises(WrongMoment):
        store.undo(raster_id)


def rows_of_layers(engine):
    with reading(engine) as session:
        tables = (LayerRow, ObjectRow, RemovalRow, StepRow, StateRow)
        return [session.scalar(select(func.count()).select_from(table)) for table in tables]
