"""Several processes work on one table: a job has one worker at a time, and one that is gone loses what it was at."""

from __future__ import annotations

import pytest

from server.jobs.claims import OpenWork, WindowClaims
from server.jobs.limits import QueueLimits
from server.jobs.table import JobTable, NewJob
from server.jobs.workers import WorkerTable

LIMITS = QueueLimits(20, 1000)


@pytest.fixture
def insert(engine):
    return lambda client="anna": JobTable(engine).insert(NewJob("work", client, "a.tif", {}), LIMITS).job


@pytest.fixture
def live(engine):
    """Renew the lease of a worker; with 0 seconds it has run out."""
    workers = WorkerTable(engine)
    return lambda name, lease_s=60.0: workers.renew(name, host="host", device="cpu", lease_s=lease_s)


def recover(table: JobTable, n_finished: int = 0) -> int:
    return table.recover(lambda _record: n_finished, only_unclaimed=True)


def test_a_living_worker_keeps_its_job(engine, insert, live):
    one, two = JobTable(engine, "one"), JobTable(engine, "two")
    live("one")
    job = insert()
    assert one.begin_next(["work"]).job == job
    assert two.begin_next(["work"]) is None
    assert recover(two) == 0
    assert (one.is_mine(job), two.is_mine(job)) == (True, False)


def test_the_job_of_a_dead_worker_goes_to_another(engine, insert, live):
    one, two = JobTable(engine, "one"), JobTable(engine, "two")
    live("one", 0.0)
    job = insert()
    one.begin_next(["work"])
    assert recover(two, 3) == 1
    live("two")
    assert two.begin_next(["work"]).attempts == 2
    # The first one comes back to life, and must not spoil anything.
    live("one")
    assert not one.is_mine(job)
    one.note_progress(job, 0.9, "nearly", None, is_new_step=True)
    one.finish(job, state="failed", error={"code": "internal_error", "message": "It broke.", "field": None})
    one.put_back(job)
    record = two.get(job)
    assert (record.state, record.progress, record.error) == ("running", 0.0, None)
    two.finish(job, state="done", progress=1.0, result={})
    texts = [line["text"] for line in two.read_log("anna", job)]
    assert texts[2:] == ["the server stopped; 3 parts are finished, waiting", "attempt 2 begins", "done"]


def test_a_job_without_any_claim_is_recovered(engine, insert):
    job = insert()
    JobTable(engine).begin_next(["work"])  # by a process that worked alone
    assert recover(JobTable(engine, "one")) == 1
    assert JobTable(engine).get(job).state == "queued"


def test_cancelling_depends_on_the_worker(engine, insert, live):
    one, web = JobTable(engine, "one"), JobTable(engine)
    waiting, running, lost = insert(), insert("bert"), insert("carl")
    assert web.cancel_anywhere(waiting)
    live("one")
    live("two", 0.0)
    assert one.begin_next(["work"]).job == running
    assert JobTable(engine, "two").begin_next(["work"]).job == lost
    assert not one.is_told_to_stop(running)
    assert not web.cancel_anywhere(running)
    assert one.is_told_to_stop(running)
    assert web.get(running).state == "running"
    assert web.cancel_anywhere(lost)
    assert web.get(lost).state == "cancelled"
    assert not web.cancel_anywhere(lost)
    assert not web.cancel_anywhere("absent")


def test_a_job_whose_worker_dies_while_told_to_stop_is_cancelled(engine, insert, live):
    one = JobTable(engine, "one")
    live("one")
    job = insert()
    one.begin_next(["work"])
    one.cancel_anywhere(job)
    live("one", 0.0)
    assert recover(JobTable(engine)) == 0
    assert one.get(job).state == "cancelled"


@pytest.mark.parametrize("let_go", [JobTable.put_back, JobTable.let_go])
def test_a_job_told_to_stop_is_cancelled_however_its_worker_leaves(engine, insert, live, let_go):
    one = JobTable(engine, "one")
    live("one")
    job = insert()
    one.begin_next(["work"])
    one.cancel_anywhere(job)
    let_go(one, job)
    assert one.get(job).state == "cancelled"


def test_a_job_let_go_is_recovered_at_once(engine, insert, live):
    one = JobTable(engine, "one")
    live("one")
    job = insert()
    one.begin_next(["work"])
    JobTable(engine, "two").let_go(job)  # not its job
    assert recover(one) == 0
    one.let_go(job)
    assert recover(one) == 1
    assert one.get(job).attempts == 1


def test_clients_take_turns_whoever_works(engine, insert, live):
    names = {insert(name[0]): name for name in ("a1", "a2", "a3", "b1", "c1", "b2")}
    order = []
    for number in range(6):
        live(f"worker{number}")
        order.append(names[JobTable(engine, f"worker{number}").begin_next(["work"]).job])
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_new_client_comes_first(engine, insert):
    table = JobTable(engine)
    insert("anna")
    insert("anna")
    table.begin_next(["work"])
    new = insert("bert")
    assert table.begin_next(["work"]).job == new
    table.forget("bert")
    insert("bert")
    assert table.begin_next(["work"]).client == "bert"


def test_two_workers_never_take_the_same_window(engine, insert, live):
    for name in ("one", "two"):
        live(name)
    job = insert()
    JobTable(engine, "one").begin_next(["work"])
    one, two = WindowClaims(engine, "one"), WindowClaims(engine, "two")
    assert one.take(job, range(5), 2) == [0, 1]
    assert two.take(job, range(5), 2) == [2, 3]
    # Taking more gives the earlier ones back.
    assert one.take(job, range(2, 5), 9) == [4]
    assert two.take(job, range(2), 9) == [0, 1]
    assert one.take(job, (), 0) == []


def test_windows_of_a_dead_worker_are_free(engine, insert, live):
    live("one")
    live("two", 0.0)
    job = insert()
    JobTable(engine, "one").begin_next(["work"])
    assert WindowClaims(engine, "two").take(job, range(3), 3) == [0, 1, 2]
    assert WindowClaims(engine, "one").take(job, range(3), 2) == [0, 1]


def test_there_is_only_help_for_jobs_that_run_and_offer_it(engine, insert, live):
    live("one")
    job, table = insert(), JobTable(engine, "one")
    one, two = WindowClaims(engine, "one"), WindowClaims(engine, "two")
    table.begin_next(["work"])
    assert two.find_open() == []
    work = OpenWork(job, "numbers", 7)
    two.offer(work)  # not its job
    assert two.find_open() == []
    one.offer(work)
    assert two.find_open() == two.find_open(job) == [work]
    assert two.find_open("absent") == []
    two.close(job)
    assert two.find_open() == [work]
    one.close(job)
    assert two.find_open() == []
    one.offer(work)
    table.cancel_anywhere(job)
    assert two.find_open() == []
    table.finish(job, state="cancelled")
    assert two.take(job, range(3), 3) == []


def test_workers_are_known_until_they_leave(engine, live):
    workers = WorkerTable(engine)
    live("one")
    live("two", 0.0)
    found = workers.find_all()
    assert [(item.worker, item.is_alive, item.device) for item in found] == [
        ("one", True, "cpu"),
        ("two", False, "cpu"),
    ]
    assert all(0 <= item.unseen_s < 10 for item in found)
    workers.leave("one")
    live("three", 60.0)
    assert [item.worker for item in workers.find_all()] == ["three", "two"]
