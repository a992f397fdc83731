"""How gunicorn runs the service: `gunicorn --config python:server.gunicorn_settings`; nothing else imports this.

The number of processes is gunicorn's own `WEB_CONCURRENCY` or `--workers`; everything else follows the configuration.
The first process imports no more than it needs; what belongs to the application is imported by those that answer.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from threading import Thread
from types import FrameType
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from server.database import open_database
from server.wsgi import read_shared_settings

STOP_TIMEOUT_S = 10.0
# Where the processes count together for `/metrics`; the library that counts looks for it when it is imported.
FIGURES = "PROMETHEUS_MULTIPROC_DIR"


class DrainingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn is untyped
    """A process that, told to stop, refuses what is new and ends streams, while its requests finish."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; called as a signal handler."""
        app = getattr(self, "wsgi", None)  # absent before it is loaded
        if self.alive and app is not None:
            # A signal handler must not wait for locks, which its own thread may hold.
            Thread(target=_drain, args=(app,), name="drain", daemon=True).start()
        super().handle_exit(sig, frame)


def worker_exit(_server: Any, worker: Any) -> None:
    """Stop the background work of a process that ends in order."""
    from server.app import find_background

    app = getattr(worker, "wsgi", None)
    if app is not None:
        find_background(app).stop(STOP_TIMEOUT_S)


def on_exit(_server: Any) -> None:
    """Remove the figures of all processes."""
    shutil.rmtree(os.environ[FIGURES], ignore_errors=True)


def _drain(app: Any) -> None:
    from server.app import find_background, find_drain

    find_drain(app).begin()
    find_background(app).queue.stop(STOP_TIMEOUT_S)


_settings = read_shared_settings()
if _settings.database:
    # Says what is wrong once, instead of once in each process; those open their own connections.
    open_database(_settings.database).dispose()
os.environ[FIGURES] = tempfile.mkdtemp(prefix="segment-anything-rs-figures-")

wsgi_app = "server.wsgi:make_app()"
_host = "0.0.0.0" if _settings.host == "auto" else _settings.host  # noqa: S104 - asked for
bind = f"[{_host}]:{_settings.port}" if ":" in _host else f"{_host}:{_settings.port}"
worker_class = DrainingWorker
threads = _settings.n_threads
# Forked copies of connections and threads would not work.
preload_app = False
graceful_timeout = max(1, round(_settings.drain_s))
# For a process that does not even say that it lives; its requests may take longer.
timeout = 120
keepalive = 5
# Which proxies to believe the application knows, from "trusted_proxies".
forwarded_allow_ips = ""
limit_request_line = 8190
control_socket_disable = True
