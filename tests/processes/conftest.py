"""Two applications over one cache folder and one database, as two processes have them; each with its own memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask

from server.settings import QueueChoice, Settings
from tests.outside_servers import find_free_port
from tests.routes.conftest import answer_of, fake_engine, settings, start_app

__all__ = ["answer_of", "fake_engine", "settings", "start_app"]


@dataclass
class Pair:
    """Two applications that share everything but their memory."""

    first: Flask
    second: Flask


@pytest.fixture
def shared_settings(settings: Settings) -> Settings:
    """Settings with jobs on workers elsewhere; there are none, and nobody listens where the broker should be."""
    nowhere = f"redis://127.0.0.1:{find_free_port()}/0"
    return dataclasses.replace(settings, queue=QueueChoice("celery", nowhere), segment_wait_s=0)


@pytest.fixture
def pair(start_app: Callable[[Settings], Flask], shared_settings: Settings) -> Pair:
    return Pair(start_app(shared_settings), start_app(shared_settings))
