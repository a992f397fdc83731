"""The process that looks at uploaded files first: what crashes, hangs or eats memory there takes nothing else with it.

GDAL and its codecs are C code that strangers' bytes go through. Some damaged files keep them busy for ever, and while
they are no Python thread of that process runs. So the server lets `python -m server.uploads.examining` read every
upload once, under limits of computing time and memory; see `server.uploads.examiners` for the other side of the pipe.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from server.errors import UserError
from server.rasters.metadata import read_metadata
from server.rasters.opening import check_raster, open_raster
from server.rasters.side_files import attach_side_file, list_side_files

try:
    import resource

    HAS_LIMITS = True
except ImportError:  # Windows has no such limits; the time limit of the server's side is left there
    HAS_LIMITS = False

# Address space; imports take half a gigabyte of it, the largest block allowed another quarter.
MAX_MEMORY_BYTES = 6 * 2**30
# Computing time for the check, which decodes some megabytes at most, or the whole of a PNG, JPEG or JPEG 2000 …
CHECK_S, CHECKED_BYTES_PER_S = 5.0, 2e6
# … and for the rest, which reads every pixel of a raster without overviews once.
READ_S, READ_BYTES_PER_S = 5.0, 10e6


def main() -> int:
    """Answer one line of JSON for every line of JSON, until there are no more."""
    _limit_process()
    _tell({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            TASKS[request["task"]](**request["arguments"])
        except UserError as error:
            _tell({"error": error.code, "message": error.message, "field": error.field})
        except MemoryError:
            _tell({"error": "too_large", "message": TOO_MUCH_MEMORY, "field": "file"})
        except Exception:  # noqa: BLE001 - a bug is told to the server, which raises and logs it there
            _tell({"bug": traceback.format_exc()})
        else:
            _tell({"done": True})
    return 0


TOO_MUCH_MEMORY = (
    f"Reading the file takes more than {MAX_MEMORY_BYTES // 2**30} GiB of memory. Write it again with fewer bands or "
    "smaller tiles."
)


def examine_raster(path: str, max_pixels: int) -> None:
    """Check a raster and prepare what the service keeps beside it; see `check_raster` for errors."""
    check_image(path, max_pixels)
    _read(Path(path))


def check_image(path: str, max_pixels: int) -> None:
    """Check a raster that is not kept as such; see `check_raster` for errors."""
    source = Path(path)
    _allow(CHECK_S + source.stat().st_size / CHECKED_BYTES_PER_S)
    check_raster(source, max_pixels=max_pixels)


def examine_side_file(side: str, name: str, source: str) -> None:
    """Try a side file on a raster in a folder of its own and leave both as they are; see `attach_side_file`."""
    side_path, raster = Path(side), Path(source)
    with tempfile.TemporaryDirectory(dir=side_path.parent) as scratch:
        trial = Path(scratch) / raster.name
        _link(raster, trial)
        for other in list_side_files(raster):
            shutil.copyfile(raster.with_name(other), trial.with_name(other))
        copy = Path(scratch) / f"sent-{side_path.name}"
        shutil.copyfile(side_path, copy)
        _allow(CHECK_S + side_path.stat().st_size / CHECKED_BYTES_PER_S)
        attach_side_file(copy, trial, name)
        _read(trial)


TASKS: dict[str, Any] = {"raster": examine_raster, "image": check_image, "side_file": examine_side_file}


def _read(source: Path) -> None:
    with open_raster(source) as raster:
        n_bytes = raster.width * raster.height * raster.count * max(_size_of(dtype) for dtype in raster.dtypes)
    _allow(READ_S + n_bytes / READ_BYTES_PER_S)
    read_metadata(source, source.name)


def _size_of(dtype: str) -> int:
    """Return the bytes of one value of a rasterio dtype such as "uint16"."""
    digits = "".join(sign for sign in dtype if sign.isdigit())
    return max(1, int(digits or 8) // 8)


def _link(file: Path, target: Path) -> None:
    """Make a file appear at a second place without copying it, where the disk can do that."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def _limit_process() -> None:
    """Bound this process; where memory runs short all the same, the system ends it before the server."""
    if not HAS_LIMITS:
        return
    for limit, value in ((resource.RLIMIT_AS, MAX_MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _allow(seconds: float) -> None:
    """Let the next step compute for so long; the system ends this process where it takes longer."""
    _tell({"limit_s": seconds})
    if not HAS_LIMITS:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(usage.ru_utime + usage.ru_stime + seconds), hard))


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
