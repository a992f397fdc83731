"""Lets a job stop in the middle of a network: one window of a large one takes a minute on a processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident

from torch import nn


@contextmanager
def checking_layers(network: nn.Module, check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before every module of `network` while the context is open and this thread runs it.

    Registering hooks changes the network that all threads share, so only its present user may open this context.
    """
    user = get_ident()

    def before(*_: object) -> None:
        if get_ident() == user:
            check()

    handles = [module.register_forward_pre_hook(before) for module in network.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
