"""Jobs give way to whoever waits for a tile or a click."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from server.jobs.priority import JOB_NICENESS, let_others_go_first


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows priorities of threads")
def test_only_the_thread_that_asks_and_those_it_starts_step_back() -> None:
    seen: list[int] = []

    def tell() -> None:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def work() -> None:
        let_others_go_first()
        tell()
        helper = threading.Thread(target=tell)
        helper.start()
        helper.join()

    tell()
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    tell()
    usual = seen[0]
    lowered = max(JOB_NICENESS, usual)
    assert seen == [usual, lowered, lowered, usual]
