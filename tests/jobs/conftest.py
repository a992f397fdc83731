"""A queue whose task does what the test says, one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine

from server.database import open_database
from server.jobs.job_queue import JobQueue
from server.jobs.queue import LocalQueue
from server.jobs.records import JobRecord
from tests.job_process.sides import make_process_queue


class HeldTask:
    """Runs until released and reports all the while; remembers which jobs began, in order."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.running = Event()
        self.released = Event()
        self.failure: BaseException | None = None
        self.result: dict[str, Any] = {"n_objects": 3}

    def __call__(self, record: JobRecord, report: Callable[[float, str], None]) -> dict[str, Any]:
        self.began.append(record.job)
        self.running.set()
        while not self.released.wait(0.005):
            report(0.5, "held")
        self.running.clear()
        if self.failure is not None:
            raise self.failure
        return self.result


@pytest.fixture
def task() -> HeldTask:
    return HeldTask()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(tmp_path / "service.sqlite")
    yield opened
    opened.dispose()


@pytest.fixture(params=["threads", "process"])
def make_queue(request: pytest.FixtureRequest, engine: Engine, task: HeldTask) -> Iterator[Callable[..., JobQueue]]:
    """Return a maker of queues, of both kinds that one service may have, that are stopped after the test."""
    made: list[JobQueue] = []

    def make(**options: Any) -> JobQueue:
        tasks = {"work": task}
        made.append(
            LocalQueue(engine, tasks, **options)
            if request.param == "threads"
            else make_process_queue(engine, tasks, **options)
        )
        return made[-1]

    yield make
    for queue in made:
        queue.stop(5)


@pytest.fixture
def submit() -> Callable[..., JobRecord]:
    def send(queue: JobQueue, client: str = "anna", raster: str = "a.tif") -> JobRecord:
        return queue.submit("work", client=client, raster=raster, request={"raster_id": "1"})

    return send
