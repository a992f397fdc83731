"""Damaged rasters through the whole service in a process of its own: no crash, no 500, no hang, no file left behind."""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from server.settings import REPOSITORY

HANG_S = 10.0
# The first answer waits for imports.
START_S = 120.0


@dataclass
class Findings:
    """What a run came to; `problems` is what must be empty."""

    n_cases: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    peak_bytes: int = 0
    n_crashes: int = 0
    n_hangs: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, ended: dict[str, Any], story: str) -> None:
        """Count a case that came to its end."""
        self.n_cases += 1
        if ended["seconds"] > self.slowest_s:
            self.slowest_s, self.slowest = ended["seconds"], f"case {ended['ended']} ({story})"
        self.peak_bytes = max(self.peak_bytes, ended["peak_bytes"])
        self.answers.update(f"{what} {status}" for what, status in ended["statuses"].items())
        self.problems += [f"case {ended['ended']} ({story}): {wrong}" for wrong in ended["wrong"]]


def main(arguments: Sequence[str]) -> int:
    """Run `--n` cases and print the counts; the exit status is 1 where anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--hang-s", type=float, default=HANG_S, help="seconds of silence that count as a hang")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    findings = fuzz(range(chosen.first, chosen.first + chosen.n), find_zoo(), seed=chosen.seed, hang_s=chosen.hang_s)
    figures = {"cases": findings.n_cases, "crashes": findings.n_crashes, "hangs": findings.n_hangs,
               "problems": len(findings.problems), "slowest_s": findings.slowest_s, "slowest": findings.slowest,
               "peak_mb": findings.peak_bytes // 2**20, "answers": dict(sorted(findings.answers.items()))}  # fmt: skip
    for key, value in figures.items():
        print(f"{key:10} {value}")
    for problem in findings.problems:
        print(problem)
    if chosen.json:
        print(json.dumps(figures))
    return 1 if findings.problems else 0


def find_zoo() -> Path | None:
    """Return the folder of real rasters to damage, or None where it is absent."""
    folder = Path(os.environ.get("RS_DATA", REPOSITORY.parent / "shared" / "data")) / "geotiff_zoo"
    return folder if folder.is_dir() else None


def fuzz(cases: range, zoo: Path | None, *, seed: int = 0, hang_s: float = HANG_S) -> Findings:
    """Send cases through workers; one that crashes or hangs is replaced and goes on behind it."""
    findings = Findings()
    next_case = cases.start
    while next_case < cases.stop:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as cache:
            command = [sys.executable, "-m", "benchmarks.fuzz_worker", "--seed", str(seed), "--first", str(next_case),
                       "--end", str(cases.stop), "--cache", cache]  # fmt: skip
            if zoo is not None:
                command += ["--zoo", str(zoo)]
            with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as worker:
                next_case = _follow(worker, findings, next_case, hang_s)
    return findings


def _follow(worker: subprocess.Popen[bytes], findings: Findings, number: int, hang_s: float) -> int:
    """Read a worker's lines until it ends; return the number of the next case to try."""
    story = ""
    began = None
    for line in _lines(worker, hang_s):
        content = json.loads(line)
        if "began" in content:
            number, story = content["began"], content["story"]
            began = number
        else:
            findings.add(content, story)
            number, began = number + 1, None
    timed_out = worker.poll() is None
    if timed_out:
        worker.kill()
    status = worker.wait()
    if began is None and status and not timed_out:
        raise RuntimeError(f"the worker ended with status {status} outside any case, before case {number}")
    if began is None:
        return number  # the end, or a machine too busy to begin the next case, which a new worker will
    if timed_out:
        findings.n_hangs += 1
        findings.problems.append(f"case {began} ({story}): no end within {hang_s:.0f} s")
    else:
        findings.n_crashes += 1
        reason = signal.Signals(-status).name if status < 0 else f"status {status}"
        findings.problems.append(f"case {began} ({story}): the process ended with {reason}")
    return began + 1


def _lines(worker: subprocess.Popen[bytes], hang_s: float) -> Iterator[bytes]:
    """Yield complete lines as they come; stop where the worker ends or says nothing for too long."""
    stream: IO[bytes] = worker.stdout  # type: ignore[assignment]  # it was opened with a pipe
    limit_s = START_S
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while selector.select(limit_s):
            chunk = os.read(stream.fileno(), 65536)
            if not chunk:
                worker.wait()
                return
            *complete, rest = (rest + chunk).split(b"\n")
            yield from complete
            limit_s = hang_s


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
