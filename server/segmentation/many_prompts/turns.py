"""Lets a job with many prompts stand back behind people's clicks, and stop inside of a large network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from torch import nn

from server.segmentation.networks.layer_checks import checking_layers


@contextmanager
def patient_turn(network: nn.Module, turn: AbstractContextManager[object], check: Callable[[], None]) -> Iterator[None]:
    """Wait for a turn of a job and call `check` before every layer in it; may raise what `check` raises."""
    with turn, checking_layers(network, check):
        yield
