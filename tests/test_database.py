"""The database file: made where absent, safe between threads, still there after a restart."""

from __future__ import annotations

import gc
import threading

import pytest
from sqlalchemy import text

from server.clients.sessions import ClientRow, ClientStore
from server.database import open_database, reading, writing


def test_it_makes_its_folder_and_waits_for_others(tmp_path):
    engine = open_database(tmp_path / "a" / "b" / "service.sqlite")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30_000
    engine.dispose()
    gc.collect()  # an open connection would warn here, and warnings are errors


def test_an_error_undoes_everything(tmp_path):
    engine = open_database(tmp_path / "service.sqlite")

    def fail() -> None:
        with writing(engine) as session:
            session.add(ClientRow(id="a", is_human=True, created=0.0, last_seen=0.0))
            session.flush()
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    with reading(engine) as session:
        assert session.get(ClientRow, "a") is None
    engine.dispose()


def test_no_update_is_lost_between_threads(tmp_path):
    engine = open_database(tmp_path / "service.sqlite")
    client_id = ClientStore(engine, tmp_path).issue().id

    def count() -> None:
        for _ in range(25):
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
        assert session.get_one(ClientRow, client_id).created == 200
    engine.dispose()
