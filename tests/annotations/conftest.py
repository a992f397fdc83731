"""A database with rasters to annotate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.annotations.store import AnnotationStore
from server.clients.rasters import RasterStore
from server.clients.sessions import Client, ClientStore
from server.database import open_database


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    opened = open_database(base / "service.sqlite")
    yield opened
    opened.dispose()


@pytest.fixture
def clients(engine: Engine, base: Path) -> ClientStore:
    return ClientStore(engine, base)


@pytest.fixture
def client(clients: ClientStore) -> Client:
    return clients.issue()


@pytest.fixture
def rasters(engine: Engine, base: Path) -> RasterStore:
    return RasterStore(engine, base, client_quota_bytes=1_000_000)


@pytest.fixture
def add_raster(rasters: RasterStore, client: Client, base: Path) -> Callable[..., str]:
    """Return a maker of rasters, each with a name of its own unless one is given, that tells their ids."""
    count = iter(range(100_000))

    def add(name: str | None = None) -> str:
        staged = base / "staged"
        staged.write_bytes(b"pixels")
        return rasters.add(client, name or f"scene{next(count)}.tif", staged, ".tif").id

    return add


@pytest.fixture
def raster_id(add_raster: Callable[..., str]) -> str:
    return add_raster()


@pytest.fixture
def store(engine: Engine) -> AnnotationStore:
    return AnnotationStore(engine)
