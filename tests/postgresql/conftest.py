"""A real PostgreSQL server, and an empty database for each module or test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from sqlalchemy import Engine

from server.database import open_database
from tests.outside_servers import PostgresqlServer, run_postgresql

numbers = count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    with run_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def make_url(postgresql: PostgresqlServer) -> Callable[[], str]:
    """Return a maker of empty databases that tells their URLs."""
    return lambda: postgresql.make_database(f"test{next(numbers)}")


@pytest.fixture
def engine(make_url: Callable[[], str]) -> Iterator[Engine]:
    opened = open_database(make_url())
    yield opened
    opened.dispose()
