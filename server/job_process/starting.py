"""Starts the process that works on jobs, and is what runs in it."""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from server.database import open_database
from server.job_process.queue import Process
from server.job_process.working import JobProcess
from server.jobs.observed import observe, timed
from server.jobs.priority import let_others_go_first
from server.observability.logs import configure_logging
from server.settings import Settings


def start_process(settings: Settings) -> tuple[Process, Connection]:
    """Start a process that works on the jobs of a service; return it and this side's end of the pipe to it.

    Raises:
        OSError: the system has no room for one.
    """
    # Not forked: what libraries hold in threads of this process would be broken in a copy of it.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(settings, theirs), name="jobs", daemon=True)
    try:
        process.start()
    except OSError:
        ours.close()
        raise
    finally:
        # Only the process holds its end now, so this side hears when it is gone.
        theirs.close()
    return process, ours


def work(settings: Settings, connection: Connection) -> None:
    """Work on jobs until the other end of `connection` says stop, or SIGTERM does."""
    from server.vocabulary.service import OpenVocabularyEngine  # here, so that the process that serves starts sooner
    from server.wiring import build_tasks, open_stores

    let_others_go_first()
    with suppress(OSError):  # only Linux has this: of two processes the one that serves is to be spared
        Path("/proc/self/oom_score_adj").write_text("500")
    # Ctrl-C reaches every process of a terminal; the one that serves says what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs = JobProcess(connection)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: jobs.stop())
    configure_logging(settings.log_format, is_debug=settings.debug)
    database = open_database(settings.database_place)
    engine = OpenVocabularyEngine(
        settings.checkpoint_folder, settings.device, settings.embedding_cache_bytes, settings.precision
    )
    stores = open_stores(settings, database, tell_change=jobs.note_change)
    tasks = {
        kind: observe(task, timed(jobs.note_attempt)) for kind, task in build_tasks(settings, stores, engine).items()
    }
    try:
        jobs.work(database, tasks, settings.job_workers)
    finally:
        database.dispose()
