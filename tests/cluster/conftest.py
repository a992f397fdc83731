"""Jobs whose windows are numbers: looking at one means to write it down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine

from server.cluster.looking import LookingTogether
from server.cluster.worker import Worker, WorkerName
from server.database import open_database
from server.jobs.claims import WindowClaims
from server.jobs.limits import DEFAULT_LIMITS
from server.jobs.records import JobRecord
from server.jobs.table import JobTable, NewJob
from server.jobs.workers import WorkerTable


@dataclass
class NumberedLook:
    """Windows that are done once they are in `seen`, which all workers share."""

    seen: list[int]
    n_windows: int = 12
    work: str = "numbers"
    n_at_once: int = 2
    held: Event | None = None

    def find_undone(self) -> list[int]:
        return [number for number in range(self.n_windows) if number not in self.seen]

    def look(self, numbers: Sequence[int], check: Callable[[], None]) -> None:
        check()
        while self.held is not None and not self.held.wait(0.002):
            check()
        self.seen.extend(number for number in numbers if number not in self.seen)


class SilentMessenger:
    """Takes messages down."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def tell_of_job(self) -> None:
        self.sent.append(("job",))

    def tell_of_windows(self, job: str, n_windows: int) -> None:
        self.sent.append(("windows", job, n_windows))


@dataclass
class NumbersTask:
    """Looks at all windows, with the help of others."""

    look: NumberedLook
    together: Callable[..., None] | None = None
    running: Event = field(default_factory=Event)

    def __call__(self, record: JobRecord, report: Callable[[float, str], None]) -> dict[str, Any]:
        self.running.set()
        self.together(record.job, self.look, report)
        return {"seen": sorted(self.look.seen)}

    @contextmanager
    def join(self, record: JobRecord, work: str, check: Callable[[], None]) -> Iterator[NumberedLook | None]:
        yield self.look if work == self.look.work else None

    def count_finished(self, record: JobRecord) -> int:
        return len(self.look.seen)

    def discard(self, record: JobRecord) -> None:
        """Keep what was seen, for the test to look at."""


@dataclass
class Cluster:
    """A database, and workers in this process."""

    engine: Engine
    seen: list[int] = field(default_factory=list)
    messenger: SilentMessenger = field(default_factory=SilentMessenger)
    tasks: dict[str, NumbersTask] = field(default_factory=dict)

    @property
    def table(self) -> JobTable:
        return JobTable(self.engine)

    def make_worker(self, name: str, *, lease_s: float = 60.0, **look: Any) -> Worker:
        """Return a worker that is known to be alive."""
        task = NumbersTask(NumberedLook(self.seen, **look))
        task.together = LookingTogether(WindowClaims(self.engine, name), self.messenger)
        self.tasks[name] = task
        self.renew(name, lease_s)
        return Worker(self.engine, {"work": task}, WorkerName(name, "host", lambda: "cpu", 60.0), lambda _: no_timer())

    def renew(self, name: str, lease_s: float) -> None:
        WorkerTable(self.engine).renew(name, host="host", device="cpu", lease_s=lease_s)

    def submit(self, client: str = "anna") -> str:
        return self.table.insert(NewJob("work", client, "a.tif", {}), DEFAULT_LIMITS).job

    def state_of(self, job: str) -> str:
        return self.table.get(job).state


@contextmanager
def no_timer() -> Iterator[None]:
    yield


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    engine = open_database(tmp_path / "service.sqlite")
    yield Cluster(engine)
    engine.dispose()
