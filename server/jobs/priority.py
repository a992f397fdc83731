"""Lets whoever waits for a tile or a click go before work that takes minutes anyway."""

from __future__ import annotations

import os
import sys
import threading

# Of -20 to 19: where both want a processor, a thread of the usual priority gets about ten times as much of it.
JOB_NICENESS = 10


def let_others_go_first() -> None:
    """Lower the priority of this thread, and of threads that it will start, as long as they live.

    Only Linux knows priorities of threads; elsewhere nothing changes.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        # A service that an operator has put further back stays there; only root could bring it forward.
        niceness = max(JOB_NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
