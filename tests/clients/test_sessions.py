"""Only ids the server issued count, and clients stay as long as they come back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from server.clients.rasters import RasterStore
from server.clients.sessions import TOUCH_INTERVAL_S, ClientStore
from server.database import open_database
from server.errors import NoSuchRaster

LIFETIMES = {"client_lifetime_s": 1000.0, "visitor_lifetime_s": 100.0}


def test_an_issued_client_is_found_with_its_folder(clients, tmp_path):
    client = clients.issue()
    assert len(client.id) == 32
    assert not client.is_human
    assert client.folder == tmp_path / "cache" / "clients" / client.id
    assert client.folder.is_dir()
    assert clients.find(client.id) == client
    assert clients.issue().id != client.id


@pytest.mark.parametrize(
    "value", [None, "", "..", "../x", "0" * 32, "A" * 32, "a" * 33, "a" * 32 + "\n", "％2e", "' OR 1=1"]
)
def test_what_was_not_issued_finds_nothing(clients, tmp_path, value):
    before = sorted(tmp_path.rglob("*"))
    assert clients.find(value) is None
    assert sorted(tmp_path.rglob("*")) == before


def test_a_token_is_one_human_client_that_no_cookie_reaches(clients):
    program = clients.token_client("secret")
    assert program.is_human
    assert "secret" not in program.id
    assert clients.token_client("secret").id == program.id
    assert clients.token_client("other").id != program.id
    assert clients.find(program.id) is None
    assert clients.get(program.id) == program


def test_a_new_token_from_many_threads_is_one_client(clients):
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: clients.token_client("secret").id, range(8)))
    assert len(set(ids)) == 1


def test_humanity_survives_a_restart(clients, tmp_path):
    client = clients.issue()
    clients.mark_human(client.id)
    again = open_database(tmp_path / "cache" / "service.sqlite")
    found = ClientStore(again, tmp_path / "cache").find(client.id)
    again.dispose()
    assert found is not None
    assert found.is_human


def test_a_visit_is_noted_at_most_once_a_minute(clients, client, clock):
    clock.now += TOUCH_INTERVAL_S - 1
    assert clients.find(client.id).last_seen == client.last_seen
    clock.now += 1
    assert clients.get(client.id).last_seen == client.last_seen
    assert clients.find(client.id).last_seen == clock.now
    assert clients.get(client.id).last_seen == clock.now


def test_visitors_expire_before_humans_and_nobody_who_comes_back(clients, clock):
    visitor, human, active = clients.issue(), clients.issue(), clients.issue()
    clients.mark_human(human.id)
    start = clock.now
    assert clients.expired(start + 100, **LIFETIMES) == []
    clock.now = start + 150
    clients.find(active.id)
    assert [item.id for item in clients.expired(start + 161, **LIFETIMES)] == [visitor.id]
    assert {item.id for item in clients.expired(start + 1061, **LIFETIMES)} == {visitor.id, human.id, active.id}


def test_deleting_removes_files_and_rows(clients, client, rasters, stage, engine, tmp_path):
    entry = rasters.add(client, "a.tif", stage(), ".tif")
    rasters.add_pending_side_file(client, "b.tfw", "b", stage())
    assert clients.delete(client.id)
    assert not client.folder.exists()
    assert list((tmp_path / "cache" / "trash").iterdir()) == []
    assert clients.find(client.id) is None
    with pytest.raises(NoSuchRaster):
        RasterStore(engine, tmp_path / "cache", client_quota_bytes=1).get(client.id, entry.id)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM pending_side_files").scalar() == 0
    assert not clients.delete(client.id)


def test_who_came_back_is_not_deleted(clients, client, clock):
    clock.now += 500
    clients.find(client.id)
    assert not clients.delete(client.id, unseen_since=client.last_seen)
    assert client.folder.is_dir()
    assert clients.delete(client.id, unseen_since=clock.now)
