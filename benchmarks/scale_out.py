"""One job's windows over 1, 2, 4 and 8 worker processes: how much sooner is it done?

Windows are simulated by sleeping, so that one machine can stand for many; everything else is real: worker processes
under Celery, messages through Redis, claims in the database, and finished windows as files in a shared folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from server.cluster.looking import LookingTogether
from server.cluster.messages import Messenger, make_celery
from server.cluster.queue import CeleryQueue
from server.cluster.running import run_worker
from server.cluster.worker import Worker, WorkerName
from server.database import open_database
from server.jobs.claims import WindowClaims
from server.jobs.records import JobRecord
from server.jobs.workers import WorkerTable
from server.segmentation.whole_raster.kept_files import KeptFiles
from server.settings import REPOSITORY

KIND, WORK = "simulated", "0" * 32
N_WORKERS = (1, 2, 4, 8)
# How often a sleeping window asks whether to stop, as networks do between their layers.
CHECK_S = 0.05
LEASE_S, START_S, LONGEST_JOB_S = 30.0, 120.0, 3600.0


@dataclass(frozen=True)
class SleepingLook:
    """Windows that take a known time.

    Attributes:
        files: where a window leaves its mark once it is done.
        n_windows: how many there are.
        window_s: seconds each takes.
    """

    files: KeptFiles
    n_windows: int
    window_s: float
    work: str = WORK
    n_at_once: int = 1

    def find_undone(self) -> list[int]:
        """Return the numbers of the windows that have left no mark."""
        names = self.files.list_names()
        return [number for number in range(self.n_windows) if str(number) not in names]

    def look(self, numbers: Sequence[int], check: Callable[[], None]) -> None:
        """Sleep as long as windows take."""
        for number in numbers:
            if self.files.has(str(number)):
                continue
            end = time.monotonic() + self.window_s
            while (left_s := end - time.monotonic()) > 0:
                time.sleep(min(left_s, CHECK_S))
                check()
            self.files.write(str(number), str(os.getpid()).encode())


@dataclass(frozen=True)
class SimulatedTask:
    """A whole raster without the raster."""

    together: LookingTogether

    def __call__(self, record: JobRecord, report: Callable[[float, str], None]) -> dict[str, Any]:
        """Have all windows looked at; return how many each process did."""
        look = _open_look(record, joins=False)
        self.together(record.job, look, report)
        done_by = [(look.files.read(str(number)) or b"").decode() for number in range(look.n_windows)]
        return {"windows_of_workers": sorted((done_by.count(name) for name in set(done_by)), reverse=True)}

    @contextmanager
    def join(self, record: JobRecord, work: str, check: Callable[[], None]) -> Iterator[SleepingLook | None]:
        """Give the windows to another worker."""
        del check
        yield _open_look(record, joins=True) if work == WORK else None


def _open_look(record: JobRecord, *, joins: bool) -> SleepingLook:
    request = record.request
    files = KeptFiles(Path(request["folder"]), WORK, joins=joins)
    return SleepingLook(files, request["n_windows"], request["window_s"])


def main(arguments: Sequence[str]) -> int:
    """Print the table of speed-up; status 1 where 8 workers miss 0.9 of linear."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale_out", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--window-s", type=float, default=1.0)
    parser.add_argument("--workers", type=int, nargs="+", default=N_WORKERS)
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database instead of SQLite")
    parser.add_argument("--as-worker", nargs=2, metavar=("DATABASE", "BROKER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.as_worker:
        return work(*chosen.as_worker)
    if shutil.which("redis-server") is None:
        parser.error("redis-server is not installed")
    with tempfile.TemporaryDirectory() as name, running_redis(Path(name)) as broker:
        place = chosen.database or str(Path(name) / "service.sqlite")
        measured = [
            measure(Path(name), place, broker, n_workers, chosen.windows, chosen.window_s)
            for n_workers in chosen.workers
        ]
    figures = {
        "windows": chosen.windows,
        "window_s": chosen.window_s,
        "database": "PostgreSQL" if chosen.database else "SQLite",
        "runs": [{**run, **compare(run, measured[0])} for run in measured],
    }
    print(json.dumps({"scale_out": figures}) if chosen.json else to_table(figures))
    return 0 if figures["runs"][-1]["share_of_linear"] >= 0.9 else 1


def compare(run: dict[str, Any], first: dict[str, Any]) -> dict[str, float]:
    """Return how much sooner a run was done than the first one, and its share of what its workers promise."""
    speed_up = first["seconds"] / run["seconds"]
    share = speed_up * first["workers"] / run["workers"]
    return {"speed_up": round(speed_up, 2), "share_of_linear": round(share, 3)}


def to_table(figures: dict[str, Any]) -> str:
    """Return the runs as lines for people."""
    lines = [f"{figures['windows']} windows of {figures['window_s']} s, {figures['database']}"]
    for run in figures["runs"]:
        lines.append(
            f"{run['workers']:2d} workers: {run['seconds']:7.2f} s, {run['speed_up']:5.2f} x, "
            f"{run['share_of_linear']:.3f} of linear, windows {run['windows_of_workers']}"
        )
    return "\n".join(lines)


def measure(folder: Path, place: str, broker: str, n_workers: int, n_windows: int, window_s: float) -> dict[str, Any]:
    """Run one job on `n_workers` processes; the time counts from its submission to its end."""
    engine = _open(place)
    queue = CeleryQueue(engine, {}, Messenger(make_celery(broker)))
    with running_workers(engine, place, broker, n_workers):
        request = {"folder": str(folder / f"windows-{n_workers}"), "n_windows": n_windows, "window_s": window_s}
        started = time.monotonic()
        record = queue.submit(KIND, client="benchmark", raster=None, request=request)
        record = queue.wait(record.job, LONGEST_JOB_S)
        seconds = time.monotonic() - started
    engine.dispose()
    if record.state != "done" or record.result is None:
        raise RuntimeError(f"The job ended as {record.state}: {record.error}")
    return {"workers": n_workers, "seconds": round(seconds, 2), **record.result}


@contextmanager
def running_workers(engine: Engine, place: str, broker: str, n_workers: int) -> Iterator[None]:
    """Run worker processes, all of them ready, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.scale_out", "--as-worker", place, broker]
    processes = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) for _ in range(n_workers)]
    try:
        deadline = time.monotonic() + START_S
        while sum(item.is_alive for item in WorkerTable(engine).find_all()) < n_workers:
            if time.monotonic() > deadline:
                raise TimeoutError("The workers did not start.")
            time.sleep(0.1)
        time.sleep(3.0)  # for their connections to the broker
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(30)


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Run a Redis server that keeps nothing, and give its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(30)


def work(place: str, broker: str) -> int:
    """Be a worker process."""
    engine, celery = _open(place), make_celery(broker)
    name = WorkerName(f"worker-{os.getpid()}", socket.gethostname(), lambda: "none", LEASE_S)
    task = SimulatedTask(LookingTogether(WindowClaims(engine, name.worker), Messenger(celery)))
    return run_worker(celery, engine, Worker(engine, {KIND: task}, name, lambda _kind: nullcontext()))


def _open(place: str) -> Engine:
    return open_database(place if "://" in place else Path(place))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
