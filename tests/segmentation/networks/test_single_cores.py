"""Work spread over cores comes back in order, leaves no thread slower than before, and tells its errors late."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from server.segmentation.networks.single_cores import count_cores, work_on_cores


@pytest.fixture(autouse=True)
def three_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_results_keep_their_order() -> None:
    def wait_and_double(number: int) -> int:
        time.sleep(0.01 * (5 - number))
        return 2 * number

    assert work_on_cores(wait_and_double, range(5)) == [0, 2, 4, 6, 8]


def test_every_piece_has_one_core_and_the_others_keep_theirs() -> None:
    seen = work_on_cores(lambda _: (threading.get_ident(), torch.get_num_threads()), range(6))
    assert {n_cores for _, n_cores in seen} == {1}
    assert threading.get_ident() not in {thread for thread, _ in seen}
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(count_cores()))
    thread.start()
    thread.join()
    assert (count_cores(), later) == (3, [3])


def test_with_one_core_no_thread_is_asked() -> None:
    torch.set_num_threads(1)
    assert work_on_cores(lambda _: threading.get_ident(), range(3)) == [threading.get_ident()] * 3


def test_an_error_is_raised_when_all_pieces_have_ended() -> None:
    ended = []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("the first one failed")
        time.sleep(0.05)
        ended.append(number)

    with pytest.raises(ValueError, match="the first one"):
        work_on_cores(work, range(3))
    assert sorted(ended) == [1, 2]
