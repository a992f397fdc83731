"""Clicks go before jobs, equals in the order they came, and nobody is forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from server.errors import Cancelled
from server.segmentation.networks import turns as turns_module
from server.segmentation.networks.turns import MAX_OVERTAKING, Turns


class Line:
    """Threads that queue for turns one after the other, and the order in which they got them."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.served: list[str] = []
        self._threads: list[threading.Thread] = []

    def join(self, name: str, *, is_click: bool) -> None:
        """Start a thread that waits for a turn; return once it is in its queue."""

        def wait() -> None:
            with self.turns.take(is_click=is_click):
                self.served.append(name)

        n_waiting = self._n_waiting()
        thread = threading.Thread(target=wait)
        self._threads.append(thread)
        thread.start()
        until(lambda: self._n_waiting() > n_waiting)

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _n_waiting(self) -> int:
        return len(self.turns._clicks) + len(self.turns._jobs)


def until(is_so: Callable[[], bool]) -> None:
    for _ in range(2000):
        if is_so():
            return
        time.sleep(0.002)
    pytest.fail("waited four seconds in vain")


def test_clicks_pass_jobs_and_equals_keep_their_order() -> None:
    line = Line()
    with line.turns.take():
        for name in ("job 1", "click 1", "job 2", "click 2"):
            line.join(name, is_click=name.startswith("click"))
    line.finish()
    assert line.served == ["click 1", "click 2", "job 1", "job 2"]


def test_a_crowd_of_clicks_lets_a_job_through_now_and_then() -> None:
    line = Line()
    n_clicks = MAX_OVERTAKING + 3
    with line.turns.take():
        line.join("job", is_click=False)
        for number in range(n_clicks):
            line.join(f"click {number}", is_click=True)
    line.finish()
    assert line.served.index("job") == MAX_OVERTAKING
    assert len(line.served) == n_clicks + 1


def test_one_turn_at_a_time() -> None:
    turns, inside, most = Turns(), 0, 0

    def use(is_click: bool) -> None:
        nonlocal inside, most
        for _ in range(20):
            with turns.take(is_click=is_click):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [threading.Thread(target=use, args=(number % 2 == 0,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)


def test_who_stops_waiting_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "WAIT_STEP_S", 0.01)
    line = Line()
    n_looks = 0

    def check() -> None:
        nonlocal n_looks
        n_looks += 1
        if n_looks == 3:
            raise Cancelled

    with line.turns.take():
        with pytest.raises(Cancelled), line.turns.take(check=check):
            pytest.fail("there was no turn to be had")
        line.join("job", is_click=False)
    line.finish()
    assert line.served == ["job"]


def test_an_error_ends_the_turn() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="broken"), turns.take():
        raise ValueError("broken")
    with turns.take(is_click=True):
        pass
