"""A worker takes what there is to do, shares it, stops when told to, and gives nothing up that it still has."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from server.cluster.looking import choose_share, split
from server.cluster.presence import Presence
from server.errors import Unavailable
from server.jobs.claims import WindowClaims
from server.jobs.workers import WorkerTable
from tests.cluster.conftest import NumberedLook


def run_in_thread(do) -> threading.Thread:
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def wait_until(is_so) -> None:
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def held():
    event = threading.Event()
    yield event
    event.set()


def test_one_worker_does_everything_alone(cluster):
    worker = cluster.make_worker("one")
    job = cluster.submit()
    worker.work()
    record = cluster.table.get(job)
    assert (record.state, record.result) == ("done", {"seen": list(range(12))})
    assert cluster.messenger.sent == [("windows", job, 12)]
    assert WindowClaims(cluster.engine, "one").find_open() == []
    worker.work()  # there is no more


def test_windows_are_looked_at_once_however_many_workers(cluster):
    workers = [cluster.make_worker(f"worker{number}", n_windows=60, n_at_once=1) for number in range(4)]
    job = cluster.submit()
    first = run_in_thread(workers[0].work)
    wait_until(lambda: WindowClaims(cluster.engine, "").find_open(job) or not first.is_alive())
    others = [run_in_thread(worker.look_around) for worker in workers[1:]]
    for thread in (first, *others):
        thread.join(20)
    assert cluster.state_of(job) == "done"
    assert sorted(cluster.seen) == list(range(60))


def test_help_covers_its_range_and_waits_for_nobody(cluster, held):
    owner, helper = cluster.make_worker("owner", held=held), cluster.make_worker("helper")
    job = cluster.submit()
    working = run_in_thread(owner.work)
    assert cluster.tasks["owner"].running.wait(5)
    wait_until(lambda: WindowClaims(cluster.engine, "").find_open(job))
    helper.help(job, 0, 5)
    assert sorted(cluster.seen) == [0, 1, 2, 3, 4]
    wait_until(lambda: owner.doing == job)
    helper.look_around()  # all but the two that the owner is at
    assert sorted(cluster.seen) == list(range(10))
    held.set()
    working.join(5)
    assert cluster.state_of(job) == "done"
    assert sorted(cluster.seen) == list(range(12))


def test_windows_of_a_dead_helper_are_done_by_the_owner(cluster):
    owner = cluster.make_worker("owner", n_windows=4, n_at_once=1)
    cluster.renew("dead", 0.3)
    job = cluster.submit()
    task = cluster.tasks["owner"]
    together = task.together

    def claim_first(*arguments):
        assert WindowClaims(cluster.engine, "dead").take(job, [2, 3], 2) == [2, 3]
        together(*arguments)

    task.together = claim_first
    owner.work()
    assert cluster.state_of(job) == "done"
    assert cluster.seen[:2] == [1, 0]
    assert sorted(cluster.seen[2:]) == [2, 3]


def test_messages_about_nothing_do_nothing(cluster):
    worker = cluster.make_worker("one")
    worker.help("absent", 0, 5)
    worker.help("absent' OR 1", -3, 10**9)
    worker.work()
    assert cluster.seen == []


def test_claims_are_larger_while_much_is_left():
    look = NumberedLook([], n_at_once=2)
    assert [choose_share(look, n) for n in (1, 31, 64, 96, 1000)] == [2, 2, 4, 6, 8]
    assert [list(part) for part in split([5, 4, 3], 2)] == [[5, 4], [3]]


def test_a_process_that_would_find_something_else_leaves_windows_alone(cluster, held):
    owner, other = cluster.make_worker("owner", held=held), cluster.make_worker("other", work="other numbers")
    cluster.submit()
    working = run_in_thread(owner.work)
    wait_until(lambda: WindowClaims(cluster.engine, "").find_open())
    other.look_around()
    assert cluster.seen == []
    held.set()
    working.join(5)


def test_a_waiting_job_comes_before_help(cluster, held):
    owner, helper = cluster.make_worker("owner", held=held), cluster.make_worker("helper", n_windows=2)
    running = cluster.submit()
    working = run_in_thread(owner.work)
    wait_until(lambda: WindowClaims(cluster.engine, "").find_open(running))
    waiting = cluster.submit("bert")
    helper.help(running, 0, 12)
    assert cluster.state_of(waiting) == "done"
    assert sorted(cluster.seen) == [0, 1]  # its own windows
    held.set()
    working.join(5)


def test_a_stop_puts_the_job_back(cluster, held):
    worker = cluster.make_worker("one", held=held)
    job = cluster.submit()
    working = run_in_thread(worker.work)
    assert cluster.tasks["one"].running.wait(5)
    worker.stop()
    working.join(5)
    record = cluster.table.get(job)
    assert (record.state, record.attempts) == ("queued", 0)
    worker.work()
    assert cluster.state_of(job) == "queued"
    another = cluster.make_worker("two")
    another.work()
    assert cluster.state_of(job) == "done"


def test_a_stop_ends_help(cluster, held, monkeypatch):
    monkeypatch.setattr("server.cluster.helping.CHECK_INTERVAL_S", 0.0)
    owner, helper = cluster.make_worker("owner", held=held), cluster.make_worker("helper", held=threading.Event())
    job = cluster.submit()
    working = run_in_thread(owner.work)
    wait_until(lambda: WindowClaims(cluster.engine, "").find_open())
    helping = run_in_thread(helper.look_around)
    wait_until(lambda: helper.doing == job)
    helper.stop()
    helping.join(5)
    assert not helping.is_alive()
    held.set()
    working.join(5)
    assert cluster.state_of(job) == "done"


def test_help_ends_with_its_job(cluster, held, monkeypatch):
    monkeypatch.setattr("server.cluster.helping.CHECK_INTERVAL_S", 0.0)
    owner, helper = cluster.make_worker("owner", held=held), cluster.make_worker("helper", held=threading.Event())
    job = cluster.submit()
    working = run_in_thread(owner.work)
    wait_until(lambda: WindowClaims(cluster.engine, "").find_open())
    helping = run_in_thread(helper.look_around)
    wait_until(lambda: helper.doing == job)
    assert not cluster.table.cancel_anywhere(job)
    owner.watch(0.0)
    for thread in (working, helping):
        thread.join(5)
        assert not thread.is_alive()
    assert cluster.state_of(job) == "cancelled"
    assert cluster.seen == []


def test_a_worker_taken_for_dead_stops_and_writes_nothing(cluster, held):
    slow, quick = cluster.make_worker("slow", held=held), cluster.make_worker("quick")
    job = cluster.submit()
    working = run_in_thread(slow.work)
    wait_until(lambda: WindowClaims(cluster.engine, "").find_open())
    cluster.renew("slow", 0.0)
    quick.look_around()
    assert cluster.table.get(job).attempts == 2
    assert cluster.state_of(job) == "done"
    cluster.renew("slow", 60.0)
    slow.watch(0.0)
    working.join(5)
    assert not working.is_alive()
    assert cluster.table.get(job).result == {"seen": list(range(12))}
    texts = [line["text"] for line in cluster.table.read_log("anna", job)]
    assert texts[-1] == "done"


def test_a_worker_that_cannot_renew_its_lease_lets_go(cluster, held):
    worker = cluster.make_worker("one", held=held)
    job = cluster.submit()
    working = run_in_thread(worker.work)
    assert cluster.tasks["one"].running.wait(5)
    worker.watch(unseen_s=61.0)
    working.join(5)
    assert not cluster.table.is_told_to_stop(job)
    another = cluster.make_worker("two")
    another.look_around()
    assert (cluster.state_of(job), cluster.table.get(job).attempts) == ("done", 2)


def test_a_job_whose_end_could_not_be_written_waits_again(cluster):
    worker = cluster.make_worker("one")
    job = cluster.submit()
    is_away = [False]

    def fail(_connection, _cursor, statement, *_rest):
        if "UPDATE jobs" in statement and is_away[0]:
            raise OperationalError(statement, {}, Exception("the database is away"))

    event.listen(cluster.engine, "before_cursor_execute", fail)
    task = cluster.tasks["one"]
    together = task.together

    def look_and_lose(*arguments):
        together(*arguments)
        is_away[0] = True

    task.together = look_and_lose
    with pytest.raises(OperationalError):
        worker.work()
    assert cluster.state_of(job) == "running"
    is_away[0] = False
    task.together = together
    worker.watch(0.0)
    worker.look_around()
    assert (cluster.state_of(job), cluster.table.get(job).attempts) == ("done", 2)
    assert cluster.table.get(job).result == {"seen": list(range(12))}


def test_a_database_that_is_away_during_a_job_fails_no_job(cluster):
    worker = cluster.make_worker("one", n_windows=4, n_at_once=1)
    job = cluster.submit()
    failures = iter([True, True])

    def fail_twice(_connection, _cursor, statement, *_rest):
        if "window_claims.job = ? AND window_claims.worker = ?" in statement and next(failures, False):
            raise OperationalError(statement, {}, Exception("the database is away"))

    event.listen(cluster.engine, "before_cursor_execute", fail_twice)
    worker.look_around()
    assert (cluster.state_of(job), cluster.table.get(job).attempts) == ("done", 1)
    assert next(failures, None) is None


def test_a_job_that_needs_the_database_while_it_is_away_is_tried_again(cluster):
    worker = cluster.make_worker("one")
    job = cluster.submit()
    task = cluster.tasks["one"]
    together, failures = task.together, iter([True])

    def lose_once(*arguments):
        together(*arguments)
        if next(failures, False):
            raise Unavailable("The database cannot be reached.", 1.0) from OperationalError("", {}, Exception())

    task.together = lose_once
    worker.look_around()
    assert cluster.state_of(job) == "running"
    worker.look_around()
    assert (cluster.state_of(job), cluster.table.get(job).attempts) == ("done", 2)


def test_a_present_worker_is_known_looks_around_and_leaves(cluster, monkeypatch):
    monkeypatch.setattr("server.cluster.presence.WATCH_INTERVAL_S", 0.02)
    monkeypatch.setattr("server.cluster.presence.LOOK_INTERVAL_S", 0.02)
    worker = cluster.make_worker("one")
    WorkerTable(cluster.engine).leave("one")
    job = cluster.submit()  # and no message
    with Presence(cluster.engine, worker):
        assert [item.worker for item in WorkerTable(cluster.engine).find_all()] == ["one"]
        wait_until(lambda: cluster.state_of(job) == "done")
    assert WorkerTable(cluster.engine).find_all() == []
