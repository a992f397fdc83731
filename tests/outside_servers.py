"""Real PostgreSQL and Redis servers for tests: in folders of their own, stopped with the test, skipped where absent."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_S = 30.0
# PostgreSQL refuses to run as root.
UNPRIVILEGED = "postgres"


@dataclass
class PostgresqlServer:
    """A running server that listens on a socket in `folder` only and lets everybody in who can reach that."""

    folder: Path
    programs: Path
    process: subprocess.Popen[bytes] | None = None
    databases: set[str] = field(default_factory=set)

    def url(self, name: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def make_database(self, name: str) -> str:
        """Make an empty database, unless it was made before, and return its URL."""
        if name not in self.databases:
            self.run_sql(f'CREATE DATABASE "{name}"')
            self.databases.add(name)
        return self.url(name)

    def run_sql(self, statement: str, name: str = "postgres") -> str:
        """Run one statement outside any transaction; return the first cell of its answer as text."""
        command = [self.programs / "psql", "-h", self.folder, "-U", "postgres", "-d", name, "-tAc", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = ("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
        command = [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(as_somebody(command), stdout=log, stderr=log, cwd="/")
        ready = [self.programs / "pg_isready", "-q", "-h", self.folder]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL", self.folder / "log")

    def stop(self) -> None:
        """Stop the server at once; whoever is connected is cut off."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(START_S)
            self.process = None


@contextmanager
def run_postgresql() -> Iterator[PostgresqlServer]:
    """Run a server with an empty cluster until the block ends."""
    programs = find_postgresql()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; `make servers` installs it")
    # Sockets have short paths, and the server's user has to get there.
    folder = Path(tempfile.mkdtemp(prefix="rs-postgresql-", dir="/tmp"))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    server = PostgresqlServer(folder, programs)
    try:
        command = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync"]
        subprocess.run(as_somebody(command), check=True, capture_output=True, cwd="/")
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class RedisServer:
    """A running server on a free port of this machine; stopped and started again it has forgotten everything."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait until it listens."""
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder))
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(["redis-server", *options], stdout=log, stderr=log)
        wait_until(self._listens, "Redis", self.folder / "redis.log")

    def stop(self) -> None:
        """Stop the server at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(START_S)
            self.process = None

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


@contextmanager
def run_redis(folder: Path) -> Iterator[RedisServer]:
    """Run a server until the block ends; its log lies in `folder`."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed; `make servers` installs it")
    server = RedisServer(folder, find_free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()


def find_postgresql() -> Path | None:
    """Return the folder of the server's programs, which Debian keeps out of the path; None where there is none."""
    found = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders = [Path(found).resolve().parent] if found else installed
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def find_free_port() -> int:
    """Return a port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_somebody(command: Sequence[str | Path]) -> list[str]:
    """Return a command that does not run as root."""
    words = [str(word) for word in command]
    if os.geteuid() != 0:
        return words
    try:
        pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        pytest.skip(f'PostgreSQL refuses to run as root, and there is no user "{UNPRIVILEGED}"')
    return ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--init-groups", *words]


def wait_until(is_ready: Callable[[], bool], what: str, log: Path) -> None:
    """Wait until a server is ready; say what its log says where it does not get there."""
    deadline = time.monotonic() + START_S
    while not is_ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not start: {log.read_text()}")
        time.sleep(0.05)
