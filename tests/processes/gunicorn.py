"""Real web processes behind one port, started like an operator does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.outside_servers import find_free_port
from tests.serving import REPOSITORY, TOKEN, ServerProcess

START_S = 60.0
STOP_S = 30.0


def write_configuration(folder: Path, **settings: Any) -> Path:
    """Write a configuration file with a free port, a token and no drain worth waiting for."""
    path = folder / "configuration.json"
    content = {
        "port": find_free_port(),
        "cache_folder": str(folder / "cache"),
        "api_tokens": [TOKEN],
        "operator_token": TOKEN,
        "ip_access_limit": "10000 per minute",
        "drain_s": 5,
    }
    path.write_text(json.dumps({**content, **settings}))
    return path


def start_gunicorn(configuration: Path, n_processes: int = 2) -> subprocess.Popen[str]:
    """Start gunicorn; its output goes to `gunicorn.log` beside the configuration, its figures into that folder, too."""
    environment = {
        **os.environ,
        "SEGMENT_ANYTHING_RS_CONFIGURATION": str(configuration),
        "WEB_CONCURRENCY": str(n_processes),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(configuration.parent),
    }
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    command = [sys.executable, "-m", "gunicorn", "--config", "python:server.gunicorn_settings"]
    with (configuration.parent / "gunicorn.log").open("a") as log:
        return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, text=True)


def read_log(folder: Path) -> str:
    """Return what gunicorn and the application said so far."""
    return (folder / "gunicorn.log").read_text()


@contextmanager
def serve_together(folder: Path, **settings: Any) -> Iterator[ServerProcess]:
    """Run two web processes until the block ends."""
    configuration = write_configuration(folder, **settings)
    port = json.loads(configuration.read_text())["port"]
    process = start_gunicorn(configuration)
    server = ServerProcess(process, f"http://127.0.0.1:{port}", folder / "cache", 0.0)
    try:
        wait_for_answers(server, folder)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_S)


def wait_for_answers(server: ServerProcess, folder: Path) -> None:
    """Wait until both processes have begun; the first answer may come before the second one has."""
    deadline = time.monotonic() + START_S
    while len(list_workers(server)) < 2 or not is_up(server):
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"gunicorn did not start: {read_log(folder)}")
        time.sleep(0.1)


def is_up(server: ServerProcess) -> bool:
    """Tell whether anybody answers."""
    try:
        return server.request("GET", "/health")[0] == 200
    except OSError:
        return False


def list_workers(server: ServerProcess) -> list[int]:
    """Return the ids of the processes that answer requests."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(word) for word in children.read_text().split()]
