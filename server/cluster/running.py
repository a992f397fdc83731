"""Runs a worker under Celery until the process is told to stop."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, signals
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from server.cluster.messages import WINDOWS, WORK
from server.cluster.presence import Presence
from server.cluster.worker import Worker

log = logging.getLogger(__name__)


def run_worker(celery: Celery, engine: Engine, worker: Worker) -> int:
    """Work until SIGTERM or Ctrl-C; what runs then goes on elsewhere. Return the exit status.

    Args:
        celery: made by `make_celery`.
        engine: the database of `worker`.
        worker: does the work.
    """

    def work() -> None:
        _guarded(worker.work)

    def look_at_windows(job: str, first: int, end: int) -> None:
        _guarded(worker.help, str(job), int(first), int(end))

    def stop(**_facts: Any) -> None:
        worker.stop()

    def leave_logging_alone(**_facts: Any) -> None:
        """Keep the format that the operator chose: with a receiver here, Celery configures nothing."""

    celery.task(name=WORK)(work)
    celery.task(name=WINDOWS)(look_at_windows)
    signals.worker_shutting_down.connect(stop, weak=False)
    signals.setup_logging.connect(leave_logging_alone, weak=False)
    with Presence(engine, worker):
        consumer = celery.Worker(
            # A thread, so that this process goes on answering the broker; one, because there is one device.
            pool="threads",
            concurrency=1,
            hostname=worker.name.worker,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        consumer.start()
    return int(consumer.exitcode or 0)


def _guarded(do: Any, *arguments: Any) -> None:
    """Work; a failing database is waited for by whoever looks around, and a message is never worth the process."""
    try:
        do(*arguments)
    except SQLAlchemyError:
        log.exception("The database failed a worker")
