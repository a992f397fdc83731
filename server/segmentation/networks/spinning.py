"""Keeps threads that wait for each other from burning the time of a processor that others want, too."""

from __future__ import annotations

import os

# How often a waiting thread of GNU OpenMP looks before it sleeps. By default it spins for milliseconds. Where another
# program takes one of two processors, each of the thousand small steps of a network then waits as long: a click took
# about 1.05 s so, and 0.15 s with this number.
SPIN_COUNT = "3000"


def spin_briefly() -> None:
    """Set how long OpenMP's threads spin, unless the operator has; call it before torch is first imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
