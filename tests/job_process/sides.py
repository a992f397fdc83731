"""Both sides of a process queue in one process: a real pipe, and a thread in place of the process."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Thread

from sqlalchemy import Engine

from server.job_process.queue import Process, ProcessQueue, Surroundings
from server.job_process.working import JobProcess
from server.jobs.execution import Task
from server.jobs.limits import DEFAULT_LIMITS, QueueLimits


def hang_up(connection: Connection) -> None:
    """End a pipe for both sides, as the end of a process does, also while a thread reads from it."""
    with socket.socket(fileno=os.dup(connection.fileno())) as pipe:
        pipe.shutdown(socket.SHUT_RDWR)


class ThreadAsProcess:
    """A thread that looks like a process."""

    pid = 1
    exitcode = 0

    def __init__(self, jobs: JobProcess, work: Callable[[], None], connection: Connection) -> None:
        self.jobs = jobs
        self._work = work
        self._connection = connection
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._work()
        self.kill()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def kill(self) -> None:
        """Look dead to the other side."""
        hang_up(self._connection)


def make_process_queue(
    engine: Engine, tasks: Mapping[str, Task], *, n_workers: int = 1, limits: QueueLimits = DEFAULT_LIMITS
) -> ProcessQueue:
    """Return a queue whose process is a thread."""

    def start_process() -> tuple[Process, Connection]:
        ours, theirs = Pipe()
        jobs = JobProcess(theirs, when_alone=lambda: None)
        return ThreadAsProcess(jobs, lambda: jobs.work(engine, tasks, n_workers), theirs), ours

    return ProcessQueue(engine, tasks, Surroundings(start_process), limits)
