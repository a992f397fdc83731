"""A database and stores in the test's folder, and a clock that stands still until told otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.clients.rasters import RasterStore
from server.clients.sessions import Client, ClientStore
from server.database import open_database


class StandingClock:
    """Seconds since 1970 that only tests move."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(tmp_path / "cache" / "service.sqlite")
    yield opened
    opened.dispose()


@pytest.fixture(params=[True, False], ids=["alone", "one of several"])
def is_alone(request: pytest.FixtureRequest) -> bool:
    """Tell the stores whether they may keep what they looked up."""
    return bool(request.param)


@pytest.fixture
def clients(engine: Engine, tmp_path: Path, clock: StandingClock, is_alone: bool) -> ClientStore:
    return ClientStore(engine, tmp_path / "cache", clock=clock, is_alone=is_alone)


@pytest.fixture
def client(clients: ClientStore) -> Client:
    return clients.issue()


@pytest.fixture
def rasters(engine: Engine, tmp_path: Path, is_alone: bool) -> RasterStore:
    return RasterStore(engine, tmp_path / "cache", client_quota_bytes=10_000, is_alone=is_alone)


@pytest.fixture
def stage(tmp_path: Path) -> Callable[[bytes], Path]:
    """Return a writer of complete uploads that belong to nothing yet."""
    folder = tmp_path / "cache" / "staging"
    folder.mkdir(parents=True, exist_ok=True)
    count = iter(range(1000))

    def write(content: bytes = b"pixels") -> Path:
        path = folder / f"upload{next(count)}"
        path.write_bytes(content)
        return path

    return write
