"""A real server process for tests that need one: started like an operator does, spoken to over HTTP only."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
TOKEN = "a token only tests know"


@dataclass
class ServerProcess:
    """A running server.

    Attributes:
        first_page_s: seconds from its start to its first answer.
    """

    process: subprocess.Popen[str]
    url: str
    cache: Path
    first_page_s: float

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Send a request with the token; return status and body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            self.url + path, body, {"Authorization": f"Bearer {TOKEN}", **named}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def json(self, method: str, path: str, content: Any = None, **headers: str) -> tuple[int, Any]:
        """Send and receive JSON."""
        body = None if content is None else json.dumps(content).encode()
        status, answer = self.request(method, path, body, Content_Type="application/json", **headers)
        return status, json.loads(answer)

    def upload(self, path: Path, name: str | None = None) -> tuple[int, Any]:
        """Upload a file."""
        head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name or path.name}"\r\n\r\n'
        body = head.encode() + path.read_bytes() + b"\r\n--edge--\r\n"
        status, answer = self.request("POST", "/upload", body, Content_Type="multipart/form-data; boundary=edge")
        return status, json.loads(answer)

    def wait_for(self, job: str, *states: str, timeout_s: float = 120) -> dict[str, Any]:
        """Poll a job until it is in one of `states`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            record = self.json("GET", f"/jobs/{job}")[1]
            if record["state"] in states:
                return record
            time.sleep(0.05)
        raise TimeoutError(f"job {job} is still {record['state']}: {record}")

    def job_process_id(self) -> int:
        """Return the number of the process that works on this server's jobs."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        for child in {int(number) for path in children for number in path.read_text().split()}:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        raise LookupError("the server has no process for its jobs")

    def peak_memory_bytes(self) -> int:
        """Return the largest resident size so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


def has_ended(process_id: int, timeout_s: float = 10) -> bool:
    """Tell whether a process that nobody here started is gone soon."""
    deadline = time.monotonic() + timeout_s
    while Path(f"/proc/{process_id}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def serve(folder: Path, **settings: Any) -> Iterator[ServerProcess]:
    """Run `python ultimate.py` on a free port until the block ends; stop it like an operator would."""
    configuration = folder / "configuration.json"
    cache = folder / "cache"
    content = {"port": 0, "cache_folder": str(cache), "api_tokens": [TOKEN], "ip_access_limit": "10000 per minute"}
    configuration.write_text(json.dumps({**content, **settings}))
    started = time.monotonic()
    command = [sys.executable, "ultimate.py", "--configuration", str(configuration)]
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError(f"the server did not start: {line} {(folder / 'server.log').read_text()}")
        server = ServerProcess(process, line.split()[-1], cache, 0.0)
        server.request("GET", "/")
        server.first_page_s = time.monotonic() - started
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        if process.stdout is not None:
            process.stdout.close()
