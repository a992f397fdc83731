"""Two processes tell and ask each other, and neither waits for one that is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe

import pytest

from server.job_process.line import Line
from tests.job_process.sides import hang_up

Ends = tuple[Line, Line]


@pytest.fixture
def connect() -> Iterator[Callable[..., Ends]]:
    """Return a maker of two ends that listen, whose pipe is closed after the test."""
    pipes, threads = [], []

    def make(handle: Callable[[object], None]) -> Ends:
        near, far = Pipe()
        pipes.append(near)
        ends = Line(near, lambda _message: None), Line(far, handle)
        for end in ends:
            threads.append(threading.Thread(target=end.listen))
            threads[-1].start()
        return ends

    yield make
    for pipe in pipes:
        if not pipe.closed:
            hang_up(pipe)
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def test_what_is_told_arrives_in_order(connect):
    came: list[object] = []
    near, _ = connect(came.append)
    for number in range(100):
        near.tell(number)
    assert near.ask("and now", 5)
    assert came == [*range(100), "and now"]


def test_who_asks_waits_until_it_is_done(connect):
    done = []

    def work(message: object) -> None:
        time.sleep(0.05)
        done.append(message)

    near, _ = connect(work)
    assert near.ask("work", 5)
    assert done == ["work"]


def test_each_answer_finds_who_asked(connect):
    def fail_on_odd(message: object) -> None:
        if int(str(message)) % 2:
            raise ValueError("odd")

    near, _ = connect(fail_on_odd)
    answers: dict[int, bool] = {}
    threads = [
        threading.Thread(target=lambda number=number: answers.update({number: near.ask(number, 5)}))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number % 2 == 0 for number in range(20)}


def test_an_error_of_the_other_side_is_logged_there_and_does_not_end_it(connect, caplog):
    def fail(_message: object) -> None:
        raise RuntimeError("broken")

    near, _ = connect(fail)
    assert not near.ask("a", 5)
    assert not near.ask("b", 5)
    assert "could not be dealt with: a" in caplog.text


def test_a_late_answer_is_no_answer(connect):
    near, _ = connect(lambda _message: time.sleep(0.3))
    assert not near.ask("slow", 0.01)


def test_nobody_waits_for_one_that_is_gone():
    near, far = Pipe()
    line = Line(near, lambda _message: None)
    listening = threading.Thread(target=line.listen)
    listening.start()
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(line.ask("is there anybody", 60)))
    asking.start()
    far.recv()
    far.close()
    asking.join(5)
    listening.join(5)
    assert answers == [False]
    line.tell("nobody hears this")
    assert not line.ask("nor this", 60)
