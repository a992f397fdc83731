"""The server's side of examining uploads: a few helper processes, one file each at a time, replaced when they die."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, NoReturn

import server
from server.errors import BadParameter, NoSuchRaster, NotARaster, StorageFull, TooFrequent, TooLarge, UserError

# More would let uploads take all cores from those who are looking at their rasters.
MAX_PROCESSES = 2
START_S = 60.0
# The limits count computing time; a machine that is busy otherwise may take this much longer.
PATIENCE, PATIENCE_S = 6.0, 20.0
WAIT_S = 60.0
KINDS: dict[str, type[UserError]] = {
    kind.code: kind for kind in (BadParameter, NoSuchRaster, NotARaster, StorageFull, TooLarge)
}


class Examiners:
    """Examines files in other processes; safe to share by threads."""

    def __init__(self, n_most: int = MAX_PROCESSES) -> None:
        self._places = BoundedSemaphore(n_most)
        self._lock = Lock()
        self._idle: list[Examiner] = []

    def examine_raster(self, path: Path, *, max_pixels: int) -> None:
        """Check a raster in another process, which also prepares what is kept beside a stored one.

        Raises:
            NotARaster: it cannot be read, or reading it crashed or took too long.
            TooLarge: see `check_raster`; also for needing too much memory.
            TooFrequent: many files are being examined at once.
        """
        self._examine("raster", {"path": str(path), "max_pixels": max_pixels})

    def check_image(self, path: Path, *, max_pixels: int) -> None:
        """Check a raster in another process; see `examine_raster` for the errors."""
        self._examine("image", {"path": str(path), "max_pixels": max_pixels})

    def examine_side_file(self, side: Path, name: str, source: Path) -> None:
        """Try in another process whether a side file can be attached; see `attach_side_file` for the errors."""
        self._examine("side_file", {"side": str(side), "name": name, "source": str(source)})

    def close(self) -> None:
        """End the processes; later examinations start new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for examiner in idle:
            examiner.end()

    def _examine(self, task: str, arguments: dict[str, Any]) -> None:
        if not self._places.acquire(timeout=WAIT_S):
            raise TooFrequent("Many uploads are being examined just now. Please try again in a minute.", WAIT_S)
        try:
            with self._lock:
                examiner = self._idle.pop() if self._idle else None
            if examiner is None or not examiner.is_alive():
                examiner = Examiner()
            try:
                examiner.examine(task, arguments)
            finally:
                if examiner.is_alive():
                    with self._lock:
                        self._idle.append(examiner)
        finally:
            self._places.release()


class Examiner:
    """One helper process."""

    def __init__(self) -> None:
        root = str(Path(server.__file__).parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.uploads.examining"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # GDAL's complaints about strangers' bytes; what matters comes as an answer
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        self._is_ready = False
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        # A thread waits for lines, because not every system can wait for a pipe for a limited time.
        Thread(target=self._listen, name="examiner-lines", daemon=True).start()

    def is_alive(self) -> bool:
        """Tell whether the process can take another file."""
        return self._process.poll() is None

    def examine(self, task: str, arguments: dict[str, Any]) -> None:
        """Let the process examine a file; see `Examiners` for the errors. Afterwards it may be no more."""
        try:
            if not self._is_ready:
                self._is_ready = bool(self._read(START_S))
            self._write({"task": task, "arguments": arguments})
            limit_s, answer = 0.0, self._read(PATIENCE_S)
            while "limit_s" in answer:
                limit_s = answer["limit_s"]
                answer = self._read(PATIENCE * limit_s + PATIENCE_S)
        except (EOFError, TimeoutError, BrokenPipeError):
            _refuse(self.end())
        if "bug" in answer:
            raise RuntimeError(f"Examining an upload failed: {answer['bug']}")
        if "error" in answer:
            raise KINDS[answer["error"]](answer["message"], answer["field"])

    def end(self) -> int:
        """End the process, wherever it is, and return its exit status, negative for a signal."""
        try:
            # One that closed its pipe is about to end by itself, and how it does says what was wrong.
            status = self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        return status

    def _write(self, request: dict[str, Any]) -> None:
        stream = self._process.stdin
        if stream is None:
            raise BrokenPipeError
        stream.write(json.dumps(request).encode() + b"\n")
        stream.flush()

    def _read(self, timeout_s: float) -> dict[str, Any]:
        """Return the next line.

        Raises:
            TimeoutError: none came in time.
            EOFError: the process ended.
        """
        try:
            line = self._lines.get(timeout=timeout_s)
        except Empty:
            raise TimeoutError from None
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _listen(self) -> None:
        """Hand on every line; one without its end means that the process is no more."""
        with self._process.stdout as stream:  # type: ignore[union-attr]  # it was opened as a pipe
            for line in stream:
                self._lines.put(line)
        self._lines.put(b"")


def _refuse(status: int) -> NoReturn:
    """Say why a process ended that was examining a file."""
    too_long = (getattr(signal, "SIGXCPU", None), getattr(signal, "SIGKILL", None))
    reason = "takes too long" if -status in too_long else "makes GDAL fail"
    raise NotARaster(
        f"The file is damaged: reading it {reason}. Write it again, for example with gdal_translate.", "file"
    ) from None


@cache
def shared_examiners() -> Examiners:
    """Return the examiners of this process; they start with the first upload and end with the process."""
    examiners = Examiners()
    atexit.register(examiners.close)
    return examiners
