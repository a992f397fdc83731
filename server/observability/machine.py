"""The state of the machine: disk, memory and GPUs, read without waking a network."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

MIB = 2**20
# The driver's tool takes a tenth of a second and more; nobody needs newer figures.
GPU_MAX_AGE_S = 10.0
GPU_TIMEOUT_S = 5.0
GPU_FIELDS = "name,memory.used,memory.total,utilization.gpu"


@dataclass(frozen=True)
class Disk:
    """The disk that holds the cache folder, in bytes."""

    used_bytes: int
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Memory:
    """Main memory in bytes: what this process holds now, held at most, and what the machine can still give."""

    process_bytes: int
    peak_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class Gpu:
    """One GPU as its driver describes it; all processes count, not only this one.

    Attributes:
        busy_share: 0 to 1.
    """

    name: str
    used_bytes: int
    total_bytes: int
    busy_share: float


def read_disk(folder: Path) -> Disk:
    """Return the state of the disk `folder` lies on."""
    found = shutil.disk_usage(folder)
    return Disk(found.used, found.free, found.total)


def read_memory(process: Path = Path("/proc/self/status"), machine: Path = Path("/proc/meminfo")) -> Memory | None:
    """Return the state of the main memory, None where the system does not tell it in Linux's way."""
    try:
        status, meminfo = _read_kib(process), _read_kib(machine)
    except OSError:
        return None
    return Memory(status["VmRSS"] * 1024, status["VmHWM"] * 1024, meminfo["MemAvailable"] * 1024)


def read_held_bytes(process_id: int) -> int | None:
    """Return the main memory a process of this machine holds; None where it is gone or the system does not tell."""
    try:
        return _read_kib(Path(f"/proc/{process_id}/status"))["VmRSS"] * 1024
    except (OSError, KeyError):  # one that has ended and was not waited for yet holds nothing
        return None


class GpuReader:
    """Asks the driver's own tool about the GPUs, at most every few seconds; safe to share by threads."""

    def __init__(self, tool: str = "nvidia-smi", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tool = shutil.which(tool)
        self._clock = clock
        self._lock = Lock()
        self._found: list[Gpu] = []
        self._found_at: float | None = None

    def read(self) -> list[Gpu]:
        """Return the GPUs; none where there is no driver or it does not answer."""
        if self._tool is None:
            return []
        with self._lock:
            now = self._clock()
            if self._found_at is None or now - self._found_at > GPU_MAX_AGE_S:
                self._found, self._found_at = _ask_driver(self._tool), now
            return self._found


def _ask_driver(tool: str) -> list[Gpu]:
    command = [tool, f"--query-gpu={GPU_FIELDS}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(  # noqa: S603 - found in PATH when the service started, fixed arguments
            command, capture_output=True, text=True, timeout=GPU_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [gpu for line in answer.stdout.splitlines() if (gpu := _parse_gpu(line)) is not None]


def _parse_gpu(line: str) -> Gpu | None:
    """Return the GPU of a line like "NVIDIA H200, 512, 143771, 7"; None where a figure is "[N/A]" as on some boards."""
    name, *figures = (part.strip() for part in line.rsplit(",", 3))
    try:
        used, total, busy = (float(figure) for figure in figures)
    except ValueError:
        return None
    return Gpu(name, int(used) * MIB, int(total) * MIB, busy / 100.0)


def _read_kib(path: Path) -> dict[str, int]:
    """Return the lines of a file under `/proc` that give an amount in kB."""
    parts = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in parts if len(words) == 3 and words[2] == "kB"}
