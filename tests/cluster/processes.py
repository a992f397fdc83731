"""Worker and gunicorn processes of a cluster for tests, started like an operator does."""

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

START_S, STOP_S = 120.0, 60.0


class Programs:
    """The processes of one service that spans several; what still runs is ended with the test."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        content = {"cache_folder": str(self.cache), "api_tokens": [TOKEN], "ip_access_limit": "10000 per minute"}
        self._settings = {**content, **settings}
        self._started: list[subprocess.Popen[str]] = []

    def start_worker(self, name: str) -> subprocess.Popen[str]:
        """Start `ultimate.py worker`; its log lies in the folder."""
        return self._start(name, [sys.executable, "ultimate.py", "worker", "--configuration", self._configure(name)])

    def start_web(self, name: str) -> ServerProcess:
        """Start gunicorn with one process on a port of its own; see `wait_until_ready`."""
        port = find_free_port()
        path = self._configure(name, port=port)
        command = [str(Path(sys.executable).with_name("gunicorn")), "--config", "python:server.gunicorn_settings"]
        process = self._start(name, command, SEGMENT_ANYTHING_RS_CONFIGURATION=path, WEB_CONCURRENCY="1")
        return ServerProcess(process, f"http://127.0.0.1:{port}", self.cache, 0.0)

    def wait_until_ready(self, **servers: ServerProcess) -> None:
        """Wait until servers, by the names they were started with, answer."""
        deadline = time.monotonic() + START_S
        for name, server in servers.items():
            while True:
                try:
                    server.request("GET", "/health")
                    break
                except OSError:
                    if server.process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"the server did not start: {self.read_log(name)}") from None
                    time.sleep(0.05)

    def read_log(self, name: str) -> str:
        """Return what a process wrote so far."""
        return (self.folder / f"{name}.log").read_text()

    def stop_all(self) -> None:
        """Stop what still runs, as an operator would."""
        alive = [process for process in self._started if process.poll() is None]
        for process in alive:
            process.send_signal(signal.SIGTERM)
        for process in alive:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_S)

    def _configure(self, name: str, **settings: Any) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({**self._settings, **settings}))
        return str(path)

    def _start(self, name: str, command: list[str], **variables: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
        with (self.folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log, text=True, env=environment)
        self._started.append(process)
        return process


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Programs]:
    """Give the processes of a cluster; all are stopped in the end."""
    programs = Programs(folder, **settings)
    try:
        yield programs
    finally:
        programs.stop_all()
