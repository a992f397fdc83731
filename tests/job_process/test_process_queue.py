"""A queue whose jobs run elsewhere: what happens when that process ends, cannot be started or does not answer.

What it has in common with the queue of threads is tested for both in tests/jobs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.clients.rasters import RasterStore
from server.clients.sessions import ClientStore
from server.database import open_database
from server.errors import Unavailable
from server.job_process import queue as queue_module
from server.job_process.messages import AttemptTook, ClientChanged
from server.job_process.queue import Process, ProcessQueue, Surroundings
from server.job_process.working import JobProcess
from server.jobs.records import JobRecord
from tests.job_process.sides import ThreadAsProcess, hang_up

Reports = Callable[[float, str], None]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(tmp_path / "service.sqlite")
    yield opened
    opened.dispose()


class Starter:
    """Starts processes, some of which fail; jobs run until released."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.failures = 0
        self.processes: list[ThreadAsProcess] = []
        self.released = threading.Event()
        self.began: list[int] = []

    def __call__(self) -> tuple[Process, Connection]:
        if self.failures:
            self.failures -= 1
            raise OSError("no room for a process")
        ours, theirs = Pipe()
        jobs = JobProcess(theirs, when_alone=lambda: None)
        number = len(self.processes)

        def task(record: JobRecord, report: Reports) -> dict[str, int]:
            self.began.append(number)
            # The first process never gets anywhere; it stands for one that is killed.
            while not (self.released.wait(0.005) and number > 0):
                report(0.5, "held")
            return {"process": number}

        self.processes.append(ThreadAsProcess(jobs, lambda: jobs.work(self.engine, {"work": task}, 1), theirs))
        return self.processes[-1], ours


@pytest.fixture
def starter(engine: Engine) -> Starter:
    return Starter(engine)


@pytest.fixture
def queue(engine: Engine, starter: Starter) -> Iterator[ProcessQueue]:
    made = ProcessQueue(engine, {}, Surroundings(starter))
    yield made
    made.stop(5)


def submit(queue: ProcessQueue) -> JobRecord:
    return queue.submit("work", client="anna", raster="a.tif", request={})


def wait_until(holds: Callable[[], object], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_that_ends_is_replaced_and_its_job_goes_on(queue, starter, caplog):
    queue.start()
    job = submit(queue).job
    wait_until(lambda: starter.began)
    starter.processes[0].jobs.stop()  # puts the job back, which another process would have to recover otherwise
    starter.released.set()
    done = queue.wait(job, 10)
    assert (done.state, done.result) == ("done", {"process": 1})
    assert "ended with status 0 and is started again" in caplog.text


def test_a_process_that_cannot_be_started_is_tried_again(queue, starter, monkeypatch, caplog):
    monkeypatch.setattr(queue_module, "FIRST_PAUSE_S", 0.01)
    starter.failures = 3
    starter.processes.append(None)  # so that the first one that starts gets somewhere
    starter.released.set()
    job = submit(queue).job
    queue.start()
    assert queue.wait(job, 10).state == "done"
    assert caplog.text.count("could not be started") == 3


def test_without_a_process_a_job_is_cancelled_all_the_same(queue):
    job = submit(queue).job
    assert queue.cancel("anna", job).state == "cancelled"
    assert queue.process_id is None


def test_a_process_that_does_not_answer_is_said(engine, monkeypatch):
    monkeypatch.setattr(queue_module, "ANSWER_S", 0.05)
    ours, theirs = Pipe()

    class Silent:
        pid, exitcode = 7, None

        def join(self, timeout: float | None = None) -> None: ...

        def kill(self) -> None:
            theirs.close()

    queue = ProcessQueue(engine, {}, Surroundings(lambda: (Silent(), ours)))
    queue.start()
    wait_until(lambda: queue.process_id == 7)
    job = submit(queue).job
    with pytest.raises(Unavailable, match="does not answer"):
        queue.cancel("anna", job)
    assert queue.find("anna", job).state == "queued"
    queue.stop(0.05)
    assert queue.process_id is None


def test_what_the_process_says_gets_where_it_belongs(engine):
    ours, theirs = Pipe()
    heard: list[object] = []

    class Speaking:
        pid, exitcode = 7, 0

        def join(self, timeout: float | None = None) -> None: ...

        def kill(self) -> None: ...

    jobs = JobProcess(theirs, when_alone=lambda: None)
    surroundings = Surroundings(
        lambda: (Speaking(), ours),
        forget=lambda client: heard.append(ClientChanged(client)),
        note=lambda *facts: heard.append(AttemptTook(*facts)),
    )
    queue = ProcessQueue(engine, {}, surroundings)
    queue.start()
    working = threading.Thread(target=jobs.work, args=(engine, {}, 1))
    working.start()
    jobs.note_attempt("segment", "done", 1.5)
    jobs.note_change("anna")  # returns when it was heard
    assert heard == [AttemptTook("segment", "done", 1.5), ClientChanged("anna")]
    jobs.stop()
    working.join(10)
    hang_up(theirs)
    queue.stop(5)


def test_a_result_of_the_process_is_seen_by_the_one_that_serves(engine, tmp_path):
    client = ClientStore(engine, tmp_path).issue()
    serving = RasterStore(engine, tmp_path, client_quota_bytes=10_000, is_alone=True)
    working = RasterStore(engine, tmp_path, client_quota_bytes=10_000, tell_change=serving.forget)
    staged = tmp_path / "staged"
    staged.write_bytes(b"raster")
    entry = serving.add(client, "a.tif", staged, ".tif")
    assert serving.find(client, "a.tif").n_results == 0
    folder = tmp_path / "result"
    folder.mkdir()
    working.replace_result(working.get(client.id, entry.id), folder, {"n_objects": 1})
    assert serving.find(client, "a.tif").n_results == 1
