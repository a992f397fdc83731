"""Visitors browsing tiles and metadata while jobs run: how slow it gets, whether anything fails, whether memory grows.

Before the jobs, as many visitors look at tiles alone, of this project's server and of titiler in turns; both serve the
same raster with their defaults, which for ours means that drawn tiles are kept in memory.

Each visitor is a thread of this process with a connection of its own, so the figures contain what these threads cost.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.peer import make_peer
from benchmarks.tiles import PEER_PACKAGES, TOKEN, fetch, run_titiler, tiles_of, titiler_path, write_raster
from server.settings import REPOSITORY

RASTER = "scene.tif"
# A visitor looks at what came before it asks again.
PAUSE_S = 1.0
MEMORY_INTERVAL_S = 1.0
N_TILES = 48
N_TURNS = 3


@dataclass
class Tally:
    """What all visitors met; a lock guards it."""

    tile_s: list[float] = field(default_factory=list)
    other_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    n_broken: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, path: str, status: int, seconds: float) -> None:
        """Count an answer."""
        with self.lock:
            (self.tile_s if path.partition("?")[0].endswith(".png") else self.other_s).append(seconds)
            self.statuses[status] += 1

    def note_broken(self) -> None:
        """Count a connection that ended without an answer."""
        with self.lock:
            self.n_broken += 1


@dataclass(frozen=True)
class Running:
    """A server process under load."""

    process: subprocess.Popen[str]
    url: str

    def memory_bytes(self) -> int:
        """Return what the process holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


def main(arguments: Sequence[str]) -> int:
    """Measure an idle server, then a busy one; the exit status is 1 where any answer was an error of the server."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=600.0, help="of the busy part; the idle one takes a tenth")
    parser.add_argument(
        "--peer-seconds", type=float, default=20.0, help="of each of the turns with titiler; 0 for none"
    )
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name, serve(Path(name)) as server:
        paths = paths_of(write_raster(Path(name) / RASTER))
        upload(server, Path(name) / RASTER)
        beside = (
            compare(server, Path(name) / RASTER, chosen.visitors, chosen.peer_seconds) if chosen.peer_seconds else {}
        )
        idle = browse(server.url, paths, 1, max(5.0, chosen.seconds / 10), pause_s=0.05)
        start_jobs(server, chosen.jobs)
        memory: list[int] = []
        with watched_memory(server, memory):
            busy = browse(server.url, paths, chosen.visitors, chosen.seconds, pause_s=PAUSE_S)
    figures = summarise(idle, busy, memory, chosen.seconds) | beside
    for key, value in figures.items():
        print(f"{key:24} {value}")
    if chosen.json:
        print(json.dumps(figures))
    return 1 if figures["errors_5xx"] or figures["broken"] else 0


@contextmanager
def serve(folder: Path) -> Iterator[Running]:
    """Run this project's server with room for all jobs and no limit of rate."""
    rates = dict.fromkeys(("ip_access_limit", "interactive_access_limit", "tile_access_limit"), "1000000 per second")
    content = {"port": 0, "cache_folder": str(folder / "cache"), "api_tokens": [TOKEN], "job_workers": 4, **rates}
    (folder / "configuration.json").write_text(json.dumps(content))
    command = [sys.executable, "ultimate.py", "--configuration", str(folder / "configuration.json")]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield Running(process, (process.stdout or sys.stdin).readline().split()[-1])
        finally:
            process.terminate()


def paths_of(raster: Path) -> list[str]:
    """Return what visitors ask for: mostly tiles, and a description now and then."""
    return our_tiles(raster) + ["/raster_meta", "/rasters", "/jobs", f"/tiles/{RASTER}/tilejson.json"] * (N_TILES // 16)


def our_tiles(raster: Path) -> list[str]:
    """Return the paths of the tiles that visitors look at."""
    return [f"/tiles/{RASTER}/{tile.z}/{tile.x}/{tile.y}.png" for tile in islice(tiles_of(raster), N_TILES)]


def compare(server: Running, raster: Path, n_visitors: int, seconds: float) -> dict[str, float]:
    """Return tiles per second of both servers, medians of turns, and the median ratio of ours to titiler's."""
    programs = make_peer("titiler", PEER_PACKAGES, "import titiler.application, uvicorn")
    theirs = [titiler_path(raster, tile) for tile in islice(tiles_of(raster), N_TILES)]
    rates: list[tuple[float, float]] = []
    with run_titiler(raster.parent, programs) as url:
        for _ in range(N_TURNS):
            turns = [(server.url, our_tiles(raster)), (url, theirs)]
            ours, peer = (browse(place, paths, n_visitors, seconds, pause_s=PAUSE_S) for place, paths in turns)
            rates.append((count_tiles(ours) / seconds, count_tiles(peer) / seconds))
    return {
        "ours_tiles_per_s": round(statistics.median(ours for ours, _ in rates), 1),
        "titiler_tiles_per_s": round(statistics.median(theirs for _, theirs in rates), 1),
        "tiles_over_titiler": round(statistics.median(ours / theirs for ours, theirs in rates), 2),
    }


def count_tiles(tally: Tally) -> int:
    """Return how many tiles came, one at least, so that a ratio exists."""
    return max(1, tally.statuses[200])


def upload(server: Running, raster: Path) -> None:
    """Give the raster to the client that all visitors are."""
    body = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{RASTER}"\r\n\r\n'.encode()
    fetch(
        f"{server.url}/upload",
        body + raster.read_bytes() + b"\r\n--edge--\r\n",
        Content_Type="multipart/form-data; boundary=edge",
    )


def start_jobs(server: Running, n_jobs: int) -> None:
    """Let whole-raster jobs run beside the visitors."""
    for _ in range(n_jobs):
        fetch(f"{server.url}/segment", b"{}", Content_Type="application/json", Prefer="respond-async")


def browse(url: str, paths: Sequence[str], n_visitors: int, seconds: float, *, pause_s: float) -> Tally:
    """Let visitors ask for paths in random order, with pauses of `pause_s` on average, for so many seconds."""
    tally = Tally()
    deadline = time.monotonic() + seconds
    visitors = [
        threading.Thread(target=_visit, args=(url, paths, deadline, pause_s, number, tally))
        for number in range(n_visitors)
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    return tally


def _visit(url: str, paths: Sequence[str], deadline: float, pause_s: float, number: int, tally: Tally) -> None:
    chance = random.Random(number)  # noqa: S311 - repeatable on purpose
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    time.sleep(chance.random() * pause_s)
    while time.monotonic() < deadline:
        path = chance.choice(paths)
        started = time.perf_counter()
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            tally.note_broken()
            connection.close()
        else:
            tally.note(path, response.status, time.perf_counter() - started)
        time.sleep(chance.random() * 2 * pause_s)
    connection.close()


@contextmanager
def watched_memory(server: Running, memory: list[int]) -> Iterator[None]:
    """Append what the server holds, once a second, while the block runs."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(MEMORY_INTERVAL_S):
            memory.append(server.memory_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def summarise(idle: Tally, busy: Tally, memory: Sequence[int], seconds: float) -> dict[str, float]:
    """Return the figures; memory grew by what the last third holds more than the middle one, in medians."""
    third = len(memory) // 3
    middle, last = memory[third : 2 * third], memory[2 * third :]
    idle_s, busy_s = quantile(idle.tile_s, 0.95), quantile(busy.tile_s, 0.95)
    return {
        "answers": sum(busy.statuses.values()),
        "tiles_per_s": round(len(busy.tile_s) / seconds, 1),
        "errors_5xx": sum(count for status, count in busy.statuses.items() if status >= 500),
        "broken": busy.n_broken,
        "idle_tile_p95_ms": round(1000 * idle_s, 1),
        "busy_tile_p95_ms": round(1000 * busy_s, 1),
        "busy_over_idle": round(busy_s / idle_s, 2) if idle_s else 0.0,
        "busy_other_p95_ms": round(1000 * quantile(busy.other_s, 0.95), 1),
        "memory_mb": max(memory, default=0) // 2**20,
        "memory_growth_mb": (round((statistics.median(last) - statistics.median(middle)) / 2**20, 1) if third else 0.0),
    }


def quantile(seconds: Sequence[float], share: float) -> float:
    """Return what `share` (0 to 1) of the values stay within, 0 without values."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
