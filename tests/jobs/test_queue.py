"""Jobs run fairly, stop when told to, survive a restart, and fail with a sentence."""

from __future__ import annotations

import errno
import re
import threading
import time

import pytest
from sqlalchemy import event

from server.errors import BadParameter, NoSuchJob, TooFrequent
from server.jobs.execution import Attempt
from server.jobs.limits import QueueLimits
from server.jobs.pace import Pace
from server.jobs.queue import LocalQueue
from server.jobs.table import JobTable, NewJob

ISO_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_a_job_runs_and_tells_how_it_went(make_queue, task, submit):
    queue = make_queue()
    record = submit(queue)
    assert (record.state, record.progress, record.started) == ("queued", 0.0, None)
    assert queue.counts() == (0, 1)
    queue.start()
    assert task.running.wait(5)
    assert queue.counts() == (1, 0)
    assert queue.has_active("anna")
    task.released.set()
    done = queue.wait(record.job, 5)
    assert (done.state, done.progress, done.result, done.error, done.attempts) == (
        "done",
        1.0,
        {"n_objects": 3},
        None,
        1,
    )
    assert queue.counts() == (0, 0)
    assert not queue.has_active("anna")


def test_json_has_the_contracts_fields(make_queue, task, submit):
    queue = make_queue()
    queue.start()
    task.released.set()
    content = queue.wait(submit(queue).job, 5).to_json()
    fields = "job kind state progress step created started finished eta_s error result raster attempts"
    assert set(content) == set(fields.split())
    for name in ("created", "started", "finished"):
        assert ISO_UTC.fullmatch(content[name])
    assert content["raster"] == "a.tif"
    assert submit(queue).to_json()["finished"] is None


def test_waiting_ends_in_time(make_queue, task, submit):
    queue = make_queue()
    queue.start()
    record = submit(queue)
    started = time.monotonic()
    assert queue.wait(record.job, 0.1).state in ("queued", "running")
    assert time.monotonic() - started < 2


def test_a_stop_wakes_who_waits(make_queue, task, submit):
    queue = make_queue()
    queue.start()
    record = submit(queue)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(queue.wait(record.job, 60)))
    waiting.start()
    assert task.running.wait(5)
    queue.stop(5)
    waiting.join(5)
    assert len(answers) == 1


def test_jobs_belong_to_their_client(make_queue, submit):
    queue = make_queue()
    record = submit(queue, "anna")
    for client, job in (("bert", record.job), ("anna", "absent"), ("anna", "../x"), ("anna", "")):
        with pytest.raises(NoSuchJob):
            queue.find(client, job)
        with pytest.raises(NoSuchJob):
            queue.cancel(client, job)
    assert queue.list("bert") == []
    later = submit(queue, "anna")
    assert [item.job for item in queue.list("anna")] == [later.job, record.job]


def test_clients_take_turns(make_queue, task, submit):
    queue = make_queue()
    jobs = {name: submit(queue, name[0]).job for name in ("a1", "a2", "a3", "b1", "c1", "b2")}
    task.released.set()
    queue.start()
    for job in jobs.values():
        assert queue.wait(job, 5).state == "done"
    names = {job: name for name, job in jobs.items()}
    assert [names[job] for job in task.began] == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_several_workers_share_the_jobs(make_queue, task, submit):
    queue = make_queue(n_workers=3)
    jobs = [submit(queue, f"client{n % 4}").job for n in range(12)]
    task.released.set()
    queue.start()
    assert {queue.wait(job, 5).state for job in jobs} == {"done"}
    assert sorted(task.began) == sorted(jobs)


def test_the_number_of_jobs_per_client_is_bounded(make_queue, submit):
    queue = make_queue(limits=QueueLimits(2, 1000))
    first = submit(queue)
    submit(queue)
    with pytest.raises(TooFrequent) as refused:
        submit(queue)
    assert "at most 2" in refused.value.message
    assert refused.value.retry_after_s > 0
    submit(queue, "bert")
    queue.cancel("anna", first.job)
    submit(queue)


def test_a_waiting_job_is_cancelled_at_once(make_queue, task, submit):
    queue = make_queue()
    record = submit(queue)
    assert queue.cancel("anna", record.job).state == "cancelled"
    task.released.set()
    queue.start()
    assert queue.wait(submit(queue).job, 5).state == "done"
    assert record.job not in task.began


def test_a_running_job_stops_at_its_next_report(make_queue, task, submit):
    queue = make_queue()
    queue.start()
    record = submit(queue)
    assert task.running.wait(5)
    queue.cancel("anna", record.job)
    stopped = queue.wait(record.job, 5)
    assert (stopped.state, stopped.result, stopped.error) == ("cancelled", None, None)
    assert stopped.finished is not None


def test_cancelling_a_finished_job_changes_nothing(make_queue, task, submit):
    queue = make_queue()
    task.released.set()
    queue.start()
    done = queue.wait(submit(queue).job, 5)
    assert queue.cancel("anna", done.job) == done


def test_cancelling_all_jobs_on_a_raster_waits_until_they_stopped(make_queue, task, submit):
    queue = make_queue()
    queue.start()
    running, waiting = submit(queue, raster="a.tif"), submit(queue, raster="a.tif")
    other, foreign = submit(queue, raster="b.tif"), submit(queue, "bert", raster="a.tif")
    assert task.running.wait(5)
    queue.cancel_all("anna", raster="a.tif")
    assert [queue.find("anna", item.job).state for item in (running, waiting)] == ["cancelled", "cancelled"]
    task.released.set()
    assert queue.wait(other.job, 5).state == "done"
    assert queue.wait(foreign.job, 5).state == "done"


@pytest.mark.parametrize(
    ("failure", "code", "field", "logged"),
    [
        (BadParameter("Band 5 asked; this raster has 4.", "rgb_index"), "bad_parameter", "rgb_index", False),
        (MemoryError(), "internal_error", None, True),
        (OSError(errno.ENOSPC, "No space left on device"), "storage_full", None, True),
        (RuntimeError("secret detail"), "internal_error", None, True),
    ],
)
def test_a_failure_becomes_a_sentence(make_queue, task, submit, caplog, failure, code, field, logged):
    queue = make_queue()
    task.failure = failure
    task.released.set()
    queue.start()
    failed = queue.wait(submit(queue).job, 5)
    assert failed.state == "failed"
    assert (failed.error["code"], failed.error["field"]) == (code, field)
    assert failed.error["message"].endswith(".")
    assert "secret" not in failed.error["message"]
    assert bool(caplog.records) == logged
    task.failure = None
    assert queue.wait(submit(queue).job, 5).state == "done"


def test_a_result_nobody_could_read_is_a_failure(make_queue, task, submit):
    queue = make_queue()
    task.result = {"area": float("nan")}
    task.released.set()
    queue.start()
    assert queue.wait(submit(queue).job, 5).error["code"] == "internal_error"


def test_an_orderly_stop_puts_jobs_back(make_queue, task, submit):
    first = make_queue()
    first.start()
    running, waiting = submit(first), submit(first)
    assert task.running.wait(5)
    first.stop(5)
    assert [first.find("anna", item.job).state for item in (running, waiting)] == ["queued", "queued"]
    assert first.find("anna", running.job).attempts == 0
    second = make_queue()
    task.released.set()
    second.start()
    assert second.wait(running.job, 5).state == "done"
    assert second.wait(waiting.job, 5).state == "done"


def test_a_job_that_takes_the_process_down_again_and_again_is_given_up(engine, make_queue, submit):
    queue = make_queue()
    record = submit(queue)
    table = JobTable(engine)
    for attempts in (1, 2, 3, 4, 5):
        begun = table.begin_next(["work"])
        assert begun.attempts == attempts
        if attempts < 5:
            table.recover(lambda _: 0)
            assert table.get(record.job).state == "queued"
    queue.start()
    failed = queue.wait(record.job, 5)
    assert failed.state == "failed"
    assert "5 times" in failed.error["message"]


def test_a_job_that_gets_further_each_time_is_never_given_up(engine, submit, make_queue):
    record = submit(make_queue())
    table = JobTable(engine)
    for n_finished in (1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 4, 4, 4):
        assert table.begin_next(["work"]).job == record.job
        table.recover(lambda _, n=n_finished: n)
    failed = table.get(record.job)
    assert (failed.state, failed.attempts) == ("failed", 13)


def test_a_failing_database_does_not_end_the_worker(make_queue, task, submit, engine, monkeypatch):
    monkeypatch.setattr("server.jobs.queue.PAUSE_AFTER_FAILURE_S", 0.01)
    queue = make_queue()
    failures = iter([True])

    def fail_once(_connection, _cursor, statement, *_rest):
        if "min(jobs.number)" in statement and next(failures, False):
            statement = "SELECT absent"
        return statement, _rest[0]

    event.listen(engine, "before_cursor_execute", fail_once, retval=True)
    task.released.set()
    queue.start()
    assert queue.wait(submit(queue).job, 5).state == "done"


def test_old_records_are_dropped(make_queue, submit, monkeypatch):
    monkeypatch.setattr("server.jobs.table.MAX_FINISHED_PER_CLIENT", 3)
    queue = make_queue()
    kept = submit(queue, "bert")
    queue.cancel("bert", kept.job)
    jobs = []
    for _ in range(6):
        jobs.append(submit(queue).job)
        queue.cancel("anna", jobs[-1])
    submit(queue)
    assert [item.job for item in queue.list("anna")][1:] == jobs[:2:-1]
    assert queue.find("bert", kept.job).state == "cancelled"


def test_a_forgotten_client_has_no_jobs(make_queue, submit):
    queue = make_queue()
    submit(queue)
    submit(queue, "bert")
    queue.forget("anna")
    assert queue.list("anna") == []
    assert len(queue.list("bert")) == 1


def test_remaining_time():
    pace = Pace(0.0)
    assert pace.estimate_remaining_s(5.0, 0.0) is None
    assert pace.estimate_remaining_s(9.0, 0.25) == 27.0
    assert pace.estimate_remaining_s(9.0, 1.0) == 0.0


def test_remaining_time_of_a_job_that_goes_on_in_the_middle():
    pace = Pace(100.0)
    assert pace.estimate_remaining_s(101.0, 0.5) == 1.0
    estimates = [pace.estimate_remaining_s(101.0 + second, 0.5 + second / 1000) for second in range(1, 400)]
    assert all(left == pytest.approx(500 - second, abs=1) for second, left in enumerate(estimates, 1) if second > 4)


def test_progress_is_noted_four_times_a_second_at_most(engine):
    table = JobTable(engine)
    table.insert(NewJob("work", "anna", "a.tif", {}), QueueLimits(1, 1))
    now, notes = [0.0], []
    original = table.note_progress

    def note(job, progress, step, eta_s, **rest):
        notes.append((round(now[0], 2), progress, step, eta_s))
        original(job, progress, step, eta_s, **rest)

    table.note_progress = note

    def work(_record, report):
        for percent in range(101):
            now[0] = percent / 50
            report(percent / 100, f"part {percent}")
        seen = table.get(_record.job)
        assert (seen.step, seen.eta_s) == (notes[-1][2], notes[-1][3])
        return {}

    Attempt(table.begin_next(["work"]), table, clock=lambda: now[0]).run(work)
    assert 7 <= len(notes) <= 9
    assert notes[4][3] == pytest.approx(2.0 - notes[4][0], abs=0.11)
    assert notes[-1][1] < 1
    assert [item.state for item in table.find_all("anna")] == ["done"]


def test_a_stopped_queue_keeps_what_is_submitted(make_queue, engine, task, submit):
    queue = make_queue()
    queue.start()
    queue.stop(5)
    record = submit(queue)
    task.released.set()
    again = LocalQueue(engine, {"work": task})
    again.start()
    assert again.wait(record.job, 5).state == "done"
    again.stop(5)
