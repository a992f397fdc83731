"""What `reading` and `writing` promise holds on a real PostgreSQL server, too; so do numbers and texts of any kind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import OperationalError

from server.clients.human_check import HumanCheck
from server.clients.quota import QuotaKeeper
from server.clients.rasters import RasterRow, RasterStore
from server.clients.sessions import ClientRow, ClientStore
from server.clients.usage import UsageReader
from server.database import WRITES, open_database, read_url, reading, writing
from server.errors import BadParameter, NoSuchRaster, Unavailable
from server.shortages import explain_shortage


def count_clients(session) -> int:
    return session.scalar(select(func.count()).select_from(ClientRow))


def test_no_update_is_lost_between_threads(engine: Engine, tmp_path):
    client_id = ClientStore(engine, tmp_path).issue().id

    def count() -> None:
        for _ in range(10):
            with writing(engine) as session:
                row = session.get_one(ClientRow, client_id)
                row.created = row.created + 1

    with writing(engine) as session:
        session.get_one(ClientRow, client_id).created = 0.0
    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert session.get_one(ClientRow, client_id).created == 80


def test_what_a_writer_reads_stays_true_until_it_has_written(engine: Engine, tmp_path):
    """Inserts have no row to lock: without the lock both would find an empty table."""
    began, seen = threading.Barrier(2), []

    def insert(name: str) -> None:
        began.wait(10)
        with writing(engine) as session:
            seen.append(count_clients(session))
            time.sleep(0.1)
            session.add(ClientRow(id=name, is_human=True, created=0.0, last_seen=0.0))

    threads = [threading.Thread(target=insert, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [0, 1]


def test_a_reader_sees_one_state_and_does_not_wait_for_writers(engine: Engine, tmp_path):
    clients = ClientStore(engine, tmp_path)
    with reading(engine) as session, writing(engine) as held:
        assert count_clients(session) == 0
        held.add(ClientRow(id="a", is_human=True, created=0.0, last_seen=0.0))
        held.commit()
        clients.issue()
        assert count_clients(session) == 0
    with reading(engine) as session:
        assert count_clients(session) == 2


def test_a_writer_that_waits_too_long_is_told_so(engine: Engine):
    with writing(engine) as session, engine.connect() as other:
        session.execute(select(1))
        other.exec_driver_sql("SET lock_timeout = 50")
        other.commit()
        waiting = other.execution_options(**{WRITES: True})
        with pytest.raises(OperationalError) as caught:
            waiting.exec_driver_sql("SELECT 1")
    found = explain_shortage(caught.value)
    assert isinstance(found, Unavailable)
    assert "busy" in found.message


def test_sizes_of_any_file_fit(engine: Engine, tmp_path):
    client = ClientStore(engine, tmp_path).issue()
    large = 2**43
    with writing(engine) as session:
        fields = {"name": "a.tif", "folder": "a", "source_name": "a", "uploaded": "", "size_bytes": large}
        session.add(RasterRow(id="a", client_id=client.id, **fields))
    assert UsageReader(engine).largest(1)[0].raster_bytes == large
    assert RasterStore(engine, tmp_path, client_quota_bytes=1).find(client, None).size_bytes == large
    with QuotaKeeper(engine, 2**50).reserve(client, large):
        pass
    HumanCheck(engine).question_png(client.id)  # its picture has a seed of 48 bits


def test_a_name_with_nul_finds_nothing(engine: Engine, tmp_path):
    client = ClientStore(engine, tmp_path).issue()
    with pytest.raises(NoSuchRaster):
        RasterStore(engine, tmp_path, client_quota_bytes=1).find(client, "a\0b")


def test_several_processes_may_make_the_tables_at_once(make_url: Callable[[], str]):
    url, failures = make_url(), []

    def open_it() -> None:
        try:
            open_database(url).dispose()
        except Exception as error:  # noqa: BLE001 - whatever it is
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_rasters_are_found_in_the_cache_folder_wherever_the_database_is(engine: Engine, tmp_path):
    client = ClientStore(engine, tmp_path / "cache").issue()
    staged = tmp_path / "staged"
    staged.write_bytes(b"12")
    entry = RasterStore(engine, tmp_path / "cache", client_quota_bytes=100).add(client, "a.tif", staged, ".tif")
    assert entry.source.is_relative_to(tmp_path / "cache")
    (tmp_path / "cache").rename(tmp_path / "moved")
    again = RasterStore(engine, tmp_path / "moved", client_quota_bytes=100).get(client.id, entry.id)
    assert again.source.read_bytes() == b"12"


def test_a_database_that_is_not_there_is_said(postgresql):
    with pytest.raises(BadParameter, match=r"absent.*does not exist") as caught:
        open_database(postgresql.url("absent"))
    assert caught.value.field == "database"


@pytest.mark.parametrize("url", ["postgresql://a@h/n", "postgres://a@h/n", "postgresql+psycopg://a@h/n"])
def test_the_installed_driver_is_meant(url):
    assert read_url(url).drivername == "postgresql+psycopg"
