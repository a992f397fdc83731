"""Keeps memory that was freed: a network on a processor asks for the same large blocks thousands of times."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# The largest block glibc lets come from its heap. Larger ones, and by default all from 128 KiB up, are fetched from the
# system and given back every time, and each of their pages then costs a fault when it is first written.
LARGEST_KEPT_BYTES = 32 * 2**20
# Freed memory at the end of the heap stays with the process up to this size.
KEPT_BYTES = 512 * 2**20


def keep_freed_memory() -> bool:
    """Tell the C library to reuse large blocks; return whether it is one that can be told (glibc)."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    settings = ((M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES), (M_TRIM_THRESHOLD, KEPT_BYTES))
    return all(library.mallopt(name, value) == 1 for name, value in settings)
