"""Kills the server at random moments of whole-raster jobs: are the labels the same, is any finished window done again?

A real server process is ended with SIGKILL, over and over, and started again each time on the same cache folder.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.known_objects import paint_mosaic
from benchmarks.whole_raster import write_raster
from server.settings import REPOSITORY

TOKEN = "known to this run alone"  # noqa: S105 - the server is on loopback and ends with the run
SCENE_PX, SEED = 1000, 7
POLL_S = 0.02
LONGEST_JOB_S = 1800.0
# What a window's file is known by: rewritten, it has another inode or time.
Written = dict[str, tuple[int, int]]


class Server:
    """A server process on a cache folder, which may end at any time."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        path = folder / "configuration.json"
        content = {"port": 0, "cache_folder": str(self.cache), "api_tokens": [TOKEN]}
        rates = dict.fromkeys(("ip_access_limit", "interactive_access_limit"), "1000 per second")  # it is asked often
        path.write_text(json.dumps(content | rates))
        command = [sys.executable, "ultimate.py", "--configuration", str(path)]
        with (folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self._process.stdout.readline() if self._process.stdout else ""
        if "http://" not in line:
            raise RuntimeError(f"The server did not start: {line or (folder / 'server.log').read_text()[-2000:]}")
        self._url = line.split()[-1]

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        """Send a request with the token and return the body of its answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        address, headers = self._url + path, {"Authorization": f"Bearer {TOKEN}", **named}
        request = urllib.request.Request(address, body, headers, method=method)  # noqa: S310 - this machine
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return bytes(answer.read())

    def end(self, how: signal.Signals) -> None:
        """End the process and wait for that."""
        self._process.send_signal(how)
        self._process.wait(60)
        if self._process.stdout:
            self._process.stdout.close()


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Give a server that is killed at the end."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.end(signal.SIGKILL)


@dataclass
class Outcome:
    """What came of one job.

    Attributes:
        labels: int32 (height, width).
        record: what `GET /jobs/{job}` told in the end.
        seconds: from its submission to its end.
        n_kills: how often its server was killed.
        n_retries: how often it was given up and had to be tried again by hand.
        n_done_again: finished windows that were written a second time.
        first_window_s: from the job's begin to its first finished window.
    """

    labels: NDArray[np.int32]
    record: dict[str, Any]
    seconds: float
    n_kills: int = 0
    n_retries: int = 0
    n_done_again: int = 0
    first_window_s: float = 0.0


@dataclass
class Watch:
    """Looks at the windows a job has finished, from outside."""

    cache: Path
    written: Written = field(default_factory=dict)
    n_done_again: int = 0

    def look(self, job: str) -> int:
        """Count the windows that were written again since the last look; return how many are finished."""
        found: Written = {}
        for path in self.cache.glob(f"clients/*/rasters/*/job-{job}-windows/*/*.kept"):
            state = path.stat()
            found[path.name] = (state.st_ino, state.st_mtime_ns)
        self.n_done_again += sum(name in found and found[name] != known for name, known in self.written.items())
        self.n_done_again += sum(name not in found for name in self.written)
        self.written = found
        return len(found)


def main(arguments: Sequence[str]) -> int:
    """Print how often the server was killed, whether labels stayed the same, and how much was done again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.killed_jobs", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", type=int, default=2000)
    parser.add_argument("--points-per-side", type=int, default=8)
    parser.add_argument("--kills", type=int, default=20)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), chosen.side, chosen.points_per_side, chosen.kills)
    print(json.dumps({"killed_jobs": figures}) if chosen.json else json.dumps(figures, indent=2))
    return 0 if figures["same_labels"] and figures["windows_done_again"] == 0 else 1


def measure(folder: Path, side: int, points_per_side: int, n_kills: int) -> dict[str, Any]:
    """Run one job undisturbed, then as many disturbed ones as `n_kills` kills take."""
    raster = write_raster(folder / "raster.tif", side, paint_mosaic(-(-side // SCENE_PX), SCENE_PX, SEED)[0])
    body = json.dumps({"points_per_side": points_per_side}).encode()
    with running(folder) as server:
        upload(server, raster)
        expected = follow(server, submit(server, body))
    moments = random.Random(SEED)  # noqa: S311 - moments, not secrets
    n_finished = expected.record["result"]["n_windows"]
    # From just before the first window, which waits for the network to load, to some windows later.
    first_s, looking_s = expected.first_window_s, expected.seconds - expected.first_window_s
    span_s = (0.85 * first_s, first_s + 4 * looking_s / max(4, n_kills))
    outcomes: list[Outcome] = []
    while (n_left := n_kills - sum(item.n_kills for item in outcomes)) > 0:
        delays_s = [moments.uniform(*span_s) for _ in range(n_left)]
        outcomes.append(disturb(folder, body, delays_s))
    return {
        "kills": sum(item.n_kills for item in outcomes),
        "jobs": len(outcomes),
        "same_labels": all(np.array_equal(item.labels, expected.labels) for item in outcomes),
        "objects": expected.record["result"]["n_objects"],
        "windows": n_finished,
        "windows_reused_at_the_end": [item.record["result"]["n_windows_reused"] for item in outcomes],
        "windows_done_again": sum(item.n_done_again for item in outcomes),
        "given_up_and_retried": sum(item.n_retries for item in outcomes),
        "attempts": [item.record["attempts"] for item in outcomes],
        "undisturbed_s": round(expected.seconds, 1),
        "disturbed_s": [round(item.seconds, 1) for item in outcomes],
    }


def disturb(folder: Path, body: bytes, delays_s: list[float]) -> Outcome:
    """Run one job; its server is killed after each of the delays, counted from when the job runs, until it is done."""
    started, job, n_kills, n_retries = time.monotonic(), "", 0, 0
    watch = Watch(folder / "cache")
    for delay_s in delays_s:
        with running(folder) as server:
            job = job or submit(server, body)
            n_retries += retry_if_given_up(server, job)
            wait_for(server, job, "running", "done")
            time.sleep(delay_s)
            if read(server, job)["state"] == "done":
                break
        n_kills += 1  # the end of `running` was the kill
        watch.look(job)
    with running(folder) as server:
        n_retries += retry_if_given_up(server, job)
        outcome = follow(server, job, watch)
    outcome.seconds = time.monotonic() - started
    outcome.n_kills, outcome.n_retries, outcome.n_done_again = n_kills, n_retries, watch.n_done_again
    return outcome


def follow(server: Server, job: str, watch: Watch | None = None) -> Outcome:
    """Wait for the end of a job and read its labels.

    Raises:
        RuntimeError: it failed, or left something behind.
    """
    watch = watch or Watch(server.cache)
    began, first_window_s = time.monotonic(), 0.0
    while (record := read(server, job))["state"] in ("queued", "running"):
        if not first_window_s and watch.look(job):
            first_window_s = time.monotonic() - began
        time.sleep(POLL_S)
    if record["state"] != "done" or list(server.cache.glob("clients/*/rasters/*/job-*")):
        raise RuntimeError(f"The job ended as {record['state']}, or left files behind: {record['error']}")
    with rasterio.open(io.BytesIO(server.request("GET", "/download"))) as labels:
        return Outcome(labels.read(1), record, time.monotonic() - began, first_window_s=first_window_s)


def upload(server: Server, path: Path) -> None:
    """Send a raster."""
    head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + b"\r\n--edge--\r\n"
    server.request("POST", "/upload", body, Content_Type="multipart/form-data; boundary=edge")


def submit(server: Server, body: bytes) -> str:
    """Start a job and return its id."""
    answer = server.request("POST", "/segment", body, Content_Type="application/json", Prefer="respond-async")
    return str(json.loads(answer)["job"])


def read(server: Server, job: str) -> dict[str, Any]:
    """Return what the server tells about a job."""
    record: dict[str, Any] = json.loads(server.request("GET", f"/jobs/{job}"))
    return record


def retry_if_given_up(server: Server, job: str) -> int:
    """Try a job again that was interrupted too often; return how often that was necessary."""
    if read(server, job)["state"] != "failed":
        return 0
    server.request("POST", f"/jobs/{job}/retry", b'{"reason": "the server was killed by a benchmark"}')
    return 1


def wait_for(server: Server, job: str, *states: str) -> None:
    """Wait until a job is in one of `states`.

    Raises:
        TimeoutError: that takes far too long.
    """
    deadline = time.monotonic() + LONGEST_JOB_S
    while (state := read(server, job)["state"]) not in states:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The job is still {state}.")
        time.sleep(POLL_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
