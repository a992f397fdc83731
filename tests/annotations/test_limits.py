"""Layers stay within their limits, and refused edits leave no trace."""

from __future__ import annotations

import pytest
import shapely
from sqlalchemy import event

from server.annotations.edits import ChangedObject, LayerEdit, Limits, SeenObject
from server.annotations.store import AnnotationStore
from server.errors import BadParameter, Conflict, TooLarge
from server.vectors.annotated import ObjectFacts
from tests.annotations.squares import roofs, square


def circle(n_vertices):
    """Return a ring of `n_vertices` vertices, the last of which is the first again."""
    return shapely.MultiPolygon([shapely.Point(50, 50).buffer(40, quad_segs=(n_vertices - 1) // 4)])


def test_objects_are_counted_as_they_come_and_go(engine, raster_id):
    store = AnnotationStore(engine, Limits(n_objects=3))
    state = store.apply(raster_id, roofs(0, 10, 20))
    with pytest.raises(TooLarge, match="4 annotated objects; at most 3"):
        store.apply(raster_id, roofs(30))
    assert store.read(raster_id) == state
    store.apply(raster_id, LayerEdit("merge", [ObjectFacts(square(0))], removed=[SeenObject(1, 1)]))
    assert store.count(raster_id) == 3
    store.undo(raster_id)
    store.undo(raster_id)
    assert store.count(raster_id) == 0
    store.redo(raster_id)
    assert store.count(raster_id) == 3


def test_vertices_of_an_object_are_limited(engine, raster_id):
    store = AnnotationStore(engine, Limits(n_vertices=41))
    store.apply(raster_id, LayerEdit("add", [ObjectFacts(circle(41))]))
    with pytest.raises(TooLarge, match="45 vertices; at most 41"):
        store.apply(raster_id, LayerEdit("add", [ObjectFacts(square(0)), ObjectFacts(circle(45))]))


def test_space_of_a_layer_is_limited(engine, raster_id):
    store = AnnotationStore(engine, Limits(n_bytes=10_000))
    edit = LayerEdit("add", [ObjectFacts(circle(241))])  # 241 vertices of 16 bytes each
    store.apply(raster_id, edit)
    state = store.apply(raster_id, edit, since=0)
    with pytest.raises(TooLarge, match=r"0\.0 MB"):
        store.apply(raster_id, edit)
    assert store.read(raster_id) == state
    store.apply(raster_id, LayerEdit("change", changed=[ChangedObject(1, 1, ObjectFacts(square(0)))]))
    store.apply(raster_id, edit)


def test_an_outline_encloses_something(store, raster_id):
    with pytest.raises(BadParameter, match="encloses nothing"):
        store.apply(raster_id, LayerEdit("add", [ObjectFacts(square(0)), ObjectFacts(shapely.MultiPolygon())]))
    assert store.read(raster_id).revision == 0


def test_readers_away_for_too_many_removals_start_anew(engine, raster_id):
    store = AnnotationStore(engine, Limits(n_removals=4))
    store.apply(raster_id, roofs(*range(10)))
    for number in range(1, 7):
        store.apply(raster_id, LayerEdit("remove", removed=[SeenObject(number, 1)]))
    known = store.read(raster_id, 3)
    assert (known.since, known.objects, known.removed_ids) == (3, [], [3, 4, 5, 6])
    forgotten = store.read(raster_id, 2)
    assert (forgotten.since, forgotten.removed_ids) == (0, [])
    assert forgotten == store.read(raster_id)
    assert [item.id for item in store.undo(raster_id).objects] == [6]


def test_one_edit_may_name_more_objects_than_a_statement_takes_parameters(store, raster_id):
    store.apply(raster_id, roofs(0))
    with pytest.raises(Conflict, match=r": 2, 3, .* and 39979 more\."):
        store.apply(raster_id, LayerEdit("remove", removed=[SeenObject(number, 1) for number in range(1, 40_001)]))


def test_changes_are_found_by_index(store, engine, raster_id):
    store.apply(raster_id, roofs(0))
    store.apply(raster_id, LayerEdit("remove", removed=[SeenObject(1, 1)]))
    statements = []

    def note(_connection, _cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    store.read(raster_id, 1)
    event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        plans = [
            row.detail
            for statement, parameters in statements
            if statement.startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert any("annotation_objects_by_revision (layer=? AND revision>?)" in plan for plan in plans)
    assert any("annotation_removals_by_revision (layer=? AND revision>?)" in plan for plan in plans)
    assert not any(plan.startswith("SCAN") for plan in plans)


def test_room_is_checked_before_anything_is_added(engine, raster_id):
    store = AnnotationStore(engine, Limits(n_objects=3))
    store.check_room(raster_id, 3, ["roof"])
    with pytest.raises(TooLarge, match="4 annotated objects; at most 3"):
        store.check_room(raster_id, 4, [])
    store.apply(raster_id, roofs(0, 10))
    with pytest.raises(TooLarge, match="4 annotated objects; at most 3"):
        store.check_room(raster_id, 2, [])
    with pytest.raises(BadParameter, match="0 visible characters"):
        store.check_room(raster_id, 1, [" "])
    names = [f"class {number}" for number in range(255)]
    with pytest.raises(BadParameter, match="256 classes"):
        store.check_room(raster_id, 1, names)
    store.check_room(raster_id, 1, [*names[:254], "roof"])
    assert len(store.read(raster_id).classes) == 1
