"""Jobs keep what they finished while another attempt may need it, can be tried again, and tell what happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from server.errors import BadParameter, NoSuchJob, TooFrequent, WrongMoment
from server.jobs.execution import ResumableTask
from server.jobs.limits import QueueLimits
from server.jobs.queue import LocalQueue
from server.jobs.records import JobRecord
from server.jobs.table import JobTable


class KeepingTask:
    """Finishes a part, then does what the test says; keeps parts until they are discarded."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        self.failure: Exception | None = None
        self.held = False

    def __call__(self, record: JobRecord, report: Callable[[float, str], None]) -> dict[str, Any]:
        self.kept[record.job] = self.kept.get(record.job, 0) + 1
        while self.held:
            report(0.5, "held")
            time.sleep(0.002)
        if self.failure is not None:
            raise self.failure
        return {"n_reused": self.kept[record.job] - 1}

    def count_finished(self, record: JobRecord) -> int:
        return self.kept.get(record.job, 0)

    def discard(self, record: JobRecord) -> None:
        self.kept.pop(record.job, None)


@pytest.fixture
def keeping() -> KeepingTask:
    return KeepingTask()


@pytest.fixture
def queue(engine, keeping):
    queue = LocalQueue(engine, {"work": keeping, "prompts": keeping})
    yield queue
    keeping.held = False
    queue.stop(5)


def wait_for_running(queue: LocalQueue) -> None:
    deadline = time.monotonic() + 5
    while queue.counts()[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.002)


def test_a_task_that_keeps_parts_is_known_as_one(keeping, task):
    assert isinstance(keeping, ResumableTask)
    assert not isinstance(task, ResumableTask)


@pytest.mark.parametrize(
    ("failure", "n_kept"),
    [(None, 0), (BadParameter("It is wrong.", "window"), 0), (ValueError("a bug"), 1), (OSError(28, "no space"), 1)],
)
def test_parts_stay_where_another_attempt_may_help(queue, keeping, submit, failure, n_kept):
    keeping.failure = failure
    queue.start()
    record = queue.wait(submit(queue).job, 5)
    assert record.state == ("done" if failure is None else "failed")
    assert keeping.kept.get(record.job, 0) == n_kept
    assert (record.job in queue.ids_with_files(0.0)) == bool(n_kept)
    assert record.job not in queue.ids_with_files(time.time() + 1)


def test_a_cancelled_job_leaves_nothing(queue, keeping, submit):
    keeping.held = True
    queue.start()
    running = submit(queue)
    wait_for_running(queue)
    queue.cancel("anna", running.job)
    assert queue.wait(running.job, 5).state == "cancelled"
    assert keeping.kept == {}


def test_a_job_cancelled_between_two_attempts_leaves_nothing(queue, keeping, submit):
    keeping.held = True
    queue.start()
    record = submit(queue)
    wait_for_running(queue)
    queue.stop(5)
    assert keeping.kept == {record.job: 1}
    queue.cancel("anna", record.job)
    assert keeping.kept == {}


def test_another_attempt_goes_on_and_the_log_says_why(queue, keeping, submit):
    keeping.failure = ValueError("a bug")
    queue.start()
    record = submit(queue)
    assert queue.wait(record.job, 5).state == "failed"
    keeping.failure = None
    again = queue.retry("anna", record.job, "the operator added memory")
    assert (again.job, again.error, again.finished) == (record.job, None, None)
    done = queue.wait(record.job, 5)
    assert (done.state, done.result, done.attempts) == ("done", {"n_reused": 1}, 2)
    texts = [line["text"] for line in queue.read_log("anna", record.job)]
    assert texts[:2] == ["waiting", "attempt 1 begins"]
    assert texts[2].startswith("failed: Something went wrong")
    assert texts[3:] == ["tried again: the operator added memory", "attempt 2 begins", "done"]


def test_only_what_failed_or_was_cancelled_is_tried_again(queue, submit):
    waiting = submit(queue)
    with pytest.raises(WrongMoment, match="queued"):
        queue.retry("anna", waiting.job)
    with pytest.raises(NoSuchJob):
        queue.retry("bert", waiting.job)
    queue.cancel("anna", waiting.job)
    assert queue.retry("anna", waiting.job).state == "queued"
    assert [line["text"] for line in queue.read_log("anna", waiting.job)] == ["waiting", "cancelled", "tried again"]
    queue.start()
    assert queue.wait(waiting.job, 5).state == "done"
    with pytest.raises(WrongMoment, match="done"):
        queue.retry("anna", waiting.job)


def test_a_job_given_up_gets_its_attempts_back(engine, queue, submit):
    record, table = submit(queue), JobTable(engine)
    for _ in range(5):
        table.begin_next(["work"])
        table.recover(lambda _: 0)
    assert table.get(record.job).state == "failed"
    queue.retry("anna", record.job)
    table.begin_next(["work"])
    table.recover(lambda _: 0)
    assert table.get(record.job).state == "queued"


def test_all_waiting_jobs_together_are_bounded(engine, keeping, submit):
    queue = LocalQueue(engine, {"work": keeping}, limits=QueueLimits(20, 2))
    first = submit(queue, "anna")
    submit(queue, "bert")
    with pytest.raises(TooFrequent, match="of all visitors"):
        submit(queue, "carl")
    queue.cancel("anna", first.job)
    submit(queue, "carl")
    with pytest.raises(TooFrequent, match="of all visitors"):
        queue.retry("anna", first.job)


def test_quick_jobs_come_before_the_whole_rasters_of_their_client(engine, queue, submit):
    slow = submit(queue, "anna")
    of_another = submit(queue, "bert")
    quick = queue.submit("prompts", client="anna", raster="a.tif", request={})
    table = JobTable(engine)
    kinds = ["work", "prompts"]
    assert table.begin_next(kinds).job == quick.job
    assert table.begin_next(kinds).job == of_another.job
    assert table.begin_next(kinds).job == slow.job


def test_the_log_tells_stages_and_is_bounded(queue, keeping, submit, monkeypatch):
    monkeypatch.setattr("server.jobs.history.MAX_LINES", 4)
    keeping.held = True
    queue.start()
    record = submit(queue)
    deadline = time.monotonic() + 5
    while queue.find("anna", record.job).step != "held" and time.monotonic() < deadline:
        time.sleep(0.01)
    keeping.held = False
    queue.wait(record.job, 5)
    lines = queue.read_log("anna", record.job)
    assert [line["text"] for line in lines] == ["waiting", "attempt 1 begins", "held", "done"]
    queue.cancel("anna", record.job)
    assert abs(lines[-1]["time"] - time.time()) < 10
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    queue.stop(5)
    second = submit(queue)
    for _ in range(3):
        queue.cancel("anna", second.job)
        queue.retry("anna", second.job)
    assert len(queue.read_log("anna", second.job)) == 4


def test_a_forgotten_client_takes_its_logs_along(engine, queue, submit):
    submit(queue)
    queue.forget("anna")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM job_histories").scalar_one() == 0
