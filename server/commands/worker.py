"""`python ultimate.py worker`: work on the jobs of a service that is served elsewhere, one worker for each device."""

from __future__ import annotations

import argparse
import os
import secrets
import socket
from contextlib import nullcontext
from pathlib import Path

from server.database import open_database
from server.errors import BadParameter
from server.observability.logs import configure_logging
from server.settings import Settings, read_settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "worker", help='work on jobs that other processes took in; needs "queue" with engine "celery"'
    )
    parser.add_argument("--configuration", type=Path, metavar="FILE", help="settings (default: configuration.json)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Work until the process is told to stop.

    Raises:
        BadParameter: a setting is wrong, or the queue is not one for workers.
    """
    settings = read_settings(arguments.configuration)
    if settings.queue.engine != "celery":
        raise BadParameter(
            'The setting "queue" says that jobs run in the process that serves. For workers set it to '
            '{"engine": "celery", "broker": "redis://…"} everywhere.',
            "queue",
        )
    configure_logging(settings.log_format, is_debug=settings.debug)
    return work(settings)


def work(settings: Settings) -> int:
    """Work with these settings; see `run`."""
    from server.cluster.looking import LookingTogether  # these need packages that a single process does without
    from server.cluster.messages import Messenger, make_celery
    from server.cluster.running import run_worker
    from server.cluster.worker import Worker, WorkerName
    from server.jobs.claims import WindowClaims
    from server.vocabulary.service import OpenVocabularyEngine
    from server.wiring import build_tasks, open_stores

    database = open_database(settings.database_place)
    engine = OpenVocabularyEngine(
        settings.checkpoint_folder, settings.device, settings.embedding_cache_bytes, settings.precision
    )
    host = socket.gethostname()
    name = WorkerName(f"{host}-{os.getpid()}-{secrets.token_hex(4)}", host, engine.device_name, settings.queue.lease_s)
    celery = make_celery(settings.queue.broker)
    together = LookingTogether(WindowClaims(database, name.worker), Messenger(celery))
    tasks = build_tasks(settings, open_stores(settings, database), engine, together)
    worker = Worker(database, tasks, name, lambda _kind: nullcontext())
    print(f"Working as {name.worker}", flush=True)
    try:
        return run_worker(celery, database, worker)
    finally:
        print("Stopping.", flush=True)
        database.dispose()
