"""Clicks come back complete and in order, whatever fits into memory at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from server.segmentation.automatic.click_batches import CLICKS_ON_CPU, ClickBatches

POINTS = np.arange(100, dtype=np.float64).reshape(50, 2)
GPU = torch.device("cuda")


class Decoder:
    """Finds the x of each point, as long as no more than `capacity` come at once."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.sizes: list[int] = []

    def decode(self, points: NDArray[np.float64]) -> list[float]:
        self.sizes.append(len(points))
        if len(points) > self.capacity:
            raise torch.OutOfMemoryError
        return points[:, 0].tolist()


@pytest.mark.parametrize("capacity", [1, 3, 7, 49, 1000])
def test_batches_shrink_until_they_fit(capacity: int) -> None:
    decoder, batches = Decoder(capacity), ClickBatches(64, GPU)
    assert batches.run(POINTS, decoder.decode) == POINTS[:, 0].tolist()
    assert batches.n_at_once <= max(capacity, 64 if capacity == 1000 else 0)
    decoder.sizes.clear()
    batches.run(POINTS, decoder.decode)  # what did not fit once is not tried again
    assert max(decoder.sizes) <= capacity


def test_a_click_that_does_not_fit_is_an_error() -> None:
    decoder = Decoder(0)
    with pytest.raises(torch.OutOfMemoryError):
        ClickBatches(4, GPU).run(POINTS, decoder.decode)
    assert decoder.sizes == [4, 2, 1]


def test_the_user_limits_every_batch() -> None:
    for limit, device, expected in ((5, GPU, 5), (256, GPU, 256), (2, "cpu", 2), (256, "cpu", CLICKS_ON_CPU)):
        assert ClickBatches(limit, torch.device(device)).n_at_once == expected


@pytest.mark.parametrize(("free_bytes", "expected"), [(1 << 40, 64), (1 << 30, 11), (1 << 20, 1)])
def test_a_gpu_gets_what_its_memory_holds(free_bytes: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _device: (free_bytes, 1 << 40))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda _device: 1 << 20)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda _device: 1 << 20)
    batches = ClickBatches(64, GPU)
    batches.fit(4 << 20)
    assert batches.n_at_once == expected


def test_memory_does_not_matter_on_a_processor() -> None:
    batches = ClickBatches(64, torch.device("cpu"))
    batches.fit(1 << 50)
    assert batches.n_at_once == CLICKS_ON_CPU
