"""Freed memory is kept: writing a large block again and again costs page faults only once."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, sys
from server.segmentation.networks.heap import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
times = 2**23
len(b"1" * times)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    len(b"1" * times)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_faults(mode: str) -> int:
    run = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS, mode], capture_output=True, text=True, check=True, timeout=60
    )
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting exists in glibc only")
def test_blocks_of_eight_megabytes_are_used_again() -> None:
    assert count_faults("keep") < count_faults("give back") / 20
