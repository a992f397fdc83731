"""An edit is done as a whole or not at all, whatever happens to the process that is at it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import event

from server.annotations.edits import ChangedObject, LayerEdit, Limits, SeenObject
from server.annotations.store import AnnotationStore
from server.errors import WrongMoment
from server.vectors.annotated import ObjectClass, ObjectFacts
from tests.annotations.squares import roofs, square

REPOSITORY = Path(__file__).parents[2]
N_AT_ONCE = 1000
# Replaces all objects by as many others, again and again, and now and then goes back and forth.
EDIT_UNTIL_KILLED = f"""
import sys, pathlib
from server.annotations.edits import LayerEdit, SeenObject
from server.annotations.store import AnnotationStore
import server.clients.rasters
from server.database import open_database
from server.vectors.annotated import ObjectFacts
from tests.annotations.squares import square

store = AnnotationStore(open_database(pathlib.Path(sys.argv[1])))
raster_id = sys.argv[2]
while True:
    state = store.read(raster_id)
    seen = [SeenObject(item.id, item.revision) for item in state.objects]
    added = [ObjectFacts(square(left), checkpoint=f"edit {{state.revision}}") for left in range({N_AT_ONCE})]
    state = store.apply(raster_id, LayerEdit("replace", added, removed=seen))
    if state.revision % 3 == 0:
        store.undo(raster_id)
        state = store.redo(raster_id)
    print(state.revision, flush=True)
"""
EVERYTHING = LayerEdit(
    "everything",
    added=[ObjectFacts(square(30), "road")],
    changed=[ChangedObject(1, 1, ObjectFacts(square(0), "pool"))],
    removed=[SeenObject(2, 1)],
    classes=[ObjectClass(7, "house", "#aa0000")],
)


class PulledPlug(Exception):
    """Stands for whatever may go wrong between two statements."""


class Plug:
    """Lets a number of statements pass before it raises."""

    def __init__(self, n_passed: int) -> None:
        self.n_left = n_passed

    def __call__(self, *_: object) -> None:
        self.n_left -= 1
        if self.n_left < 0:
            raise PulledPlug


@pytest.mark.parametrize("act", ["apply", "undo", "redo"])
def test_an_error_at_any_statement_leaves_the_layer_as_it_was(engine, add_raster, act):
    # Limits this low make every edit trim history and removals too.
    store = AnnotationStore(engine, Limits(n_steps=1, n_removals=0))
    raster_id = add_raster()
    acts = {
        "apply": lambda: store.apply(raster_id, EVERYTHING),
        "undo": lambda: store.undo(raster_id),
        "redo": lambda: store.redo(raster_id),
    }
    store.apply(raster_id, roofs(0, 10, 20))
    for earlier in {"apply": [], "undo": ["apply"], "redo": ["apply", "undo"]}[act]:
        acts[earlier]()
    before = store.read(raster_id)
    n_failures = 0
    while True:
        plug = Plug(n_failures)
        event.listen(engine, "before_cursor_execute", plug)
        try:
            acts[act]()
        except PulledPlug:
            n_failures += 1
        else:
            break
        finally:
            event.remove(engine, "before_cursor_execute", plug)
        assert store.read(raster_id) == before
    assert n_failures > 10
    assert store.read(raster_id).revision == before.revision + 1


def test_a_killed_process_loses_at_most_the_edit_it_was_at(store, engine, base, raster_id):
    rng = random.Random(1)
    for _ in range(3):
        command = [sys.executable, "-c", EDIT_UNTIL_KILLED, base / "service.sqlite", raster_id]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as child:
            child.stdout.readline()
            time.sleep(rng.uniform(0, 0.3))
            child.send_signal(signal.SIGKILL)
            told = [int(line) for line in child.stdout if line.endswith("\n")]
        state = store.read(raster_id)
        assert state.revision >= max(told, default=1)
        # All objects are of one and the same edit, none is missing, and none is left of the edit before.
        assert len(state.objects) == store.count(raster_id) == N_AT_ONCE
        assert len({item.facts.checkpoint for item in state.objects}) == 1
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    ids = {item.id for item in state.objects}
    assert {item.id for item in store.undo(raster_id).objects}.isdisjoint(ids)
    assert {item.id for item in store.redo(raster_id).objects} == ids


def test_threads_that_edit_one_layer_lose_nothing(store, raster_id):
    n_threads, n_edits, failures = 4, 8, []

    def work(first):
        try:
            for number in range(n_edits):
                store.apply(raster_id, roofs(first + number))
        except Exception as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(100 * number,)) for number in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    state = store.read(raster_id)
    assert [item.id for item in state.objects] == list(range(1, n_threads * n_edits + 1))
    assert sorted(item.revision for item in state.objects) == list(range(1, n_threads * n_edits + 1))
    for _ in range(n_threads * n_edits):
        store.undo(raster_id)
    assert store.read(raster_id).objects == []
    with pytest.raises(WrongMoment):
        store.undo(raster_id)
