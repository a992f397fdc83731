"""What a machine can run out of: each is said in a sentence, and nothing that was finished is lost."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import event

from server.app import find_background
from server.clients.sessions import ClientRow
from server.database import reading, writing
from server.errors import StorageFull, Unavailable
from server.shortages import explain_shortage
from tests.routes.support import assert_error, upload, with_token


class OutOfMemoryError(RuntimeError):
    """Called like torch's error."""


@pytest.fixture
def small_disk(tmp_path):
    """A disk of four megabytes, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with path.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            pass
    assert shutil.disk_usage(path.parent).free == 0


def finished(client, raster) -> bytes:
    """Upload and segment; return the finished labels."""
    assert upload(client, raster).status_code == 200
    assert client.post("/segment", json={}).status_code == 200
    return client.get("/download").data


def test_a_full_disk_takes_nothing_that_was_finished(start_app, settings, small_disk, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, cache_folder=small_disk / "cache")))
    labels = finished(client, make_raster())
    filler = small_disk / "filler"
    fill(filler)
    answers = [upload(client, make_raster("other.tif", size=(300, 300))), client.post("/segment", json={})]
    for response in answers:
        assert_error(response, 507, "storage_full")
    assert client.get("/download").data == labels
    assert client.get("/raster_meta").status_code == 200
    filler.unlink()
    assert upload(client, make_raster("other.tif", size=(300, 300))).status_code == 200
    assert client.get("/download?raster=scene.tif").data == labels


def test_a_cache_that_cannot_be_written_is_said(client, make_raster, monkeypatch):
    labels = finished(client, make_raster())

    def refuse(*_arguments, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("server.routes.uploads.tempfile.mkdtemp", refuse)
    assert "cannot be written" in assert_error(upload(client, make_raster("b.tif")), 507, "storage_full")
    assert client.get("/download").data == labels


def test_a_locked_database_is_said_and_passes(client, app, settings, make_raster):
    finished(client, make_raster())
    engine = find_background(app).engine
    event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA busy_timeout = 50"))
    engine.dispose()
    holder = sqlite3.connect(settings.cache_folder / "service.sqlite", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        response = client.delete("/rasters/scene.tif")
        assert "busy" in assert_error(response, 503, Unavailable.code)
        assert int(response.headers["Retry-After"]) > 0
        assert client.get("/raster_meta").status_code == 200
        holder.execute("ROLLBACK")
    finally:
        holder.close()
    assert client.delete("/rasters/scene.tif").status_code == 200


@pytest.mark.parametrize("failure", [OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_a_job_without_memory_fails_with_a_sentence_and_the_next_one_works(client, make_raster, fake_engine, failure):
    labels = finished(client, make_raster())
    fake_engine.failure = failure
    assert "ran out of memory" in assert_error(client.post("/segment", json={}), 503, Unavailable.code)
    assert client.get("/download").data == labels
    fake_engine.failure = None
    assert client.post("/segment", json={}).status_code == 200


def test_a_click_without_gpu_memory_is_answered(client, make_raster, fake_engine, monkeypatch):
    upload(client, make_raster())

    def fail(*_arguments):
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("tests.routes.fake_engine.answer_prompts", fail)
    sentence = assert_error(client.post("/predict", json={"points": [[5, 5, 1]]}), 503, Unavailable.code)
    assert "GPU ran out of memory" in sentence


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StorageFull),
        (OSError(errno.EROFS, "Read-only file system"), StorageFull),
        (sqlite3.OperationalError("database or disk is full"), StorageFull),
        (sqlite3.OperationalError("attempt to write a readonly database"), StorageFull),
        (sqlite3.OperationalError("database is locked"), Unavailable),
        (MemoryError(), Unavailable),
    ],
)
def test_shortages_are_recognised(error, kind):
    assert type(explain_shortage(error)) is kind


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), ValueError("x"), RuntimeError("locked")])
def test_other_errors_are_none(error):
    assert explain_shortage(error) is None


@pytest.mark.parametrize("jump_s", [-10 * 365 * 86400.0, 3600.0])
def test_a_clock_that_jumps_ends_no_session_and_no_job(client, make_raster, monkeypatch, jump_s, app):
    """Back by ten years, as a machine without a battery starts, or ahead by an hour."""
    labels = finished(client, make_raster())
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    background = find_background(app)
    background.cleaning.remove_stale_files(time.time())
    background.cleaning.remove_expired_clients(time.time())
    assert client.get("/download").data == labels
    assert client.post("/segment", json={"window": [0, 0, 32, 32]}).status_code == 200
    record = client.get("/jobs").get_json()["jobs"][0]
    assert record["state"] == "done"
    monkeypatch.setattr(time, "time", real)
    assert client.get("/rasters").status_code == 200


def test_a_thousand_sessions(app, settings):
    now = time.time()
    ids = [f"{number:032x}" for number in range(1000)]
    with writing(find_background(app).engine) as session:
        session.add_all(ClientRow(id=item, is_human=True, created=now, last_seen=now) for item in ids)
    visitor = app.test_client()
    for item in ids[::50]:
        visitor.set_cookie("uuid", item)
        assert visitor.get("/rasters").get_json() == {"rasters": []}
    newcomer = app.test_client()
    newcomer.get("/")
    assert len(newcomer.get_cookie("uuid").value) == 32
    find_background(app).cleaning.remove_expired_clients(now)
    with reading(find_background(app).engine) as session:
        assert len(session.query(ClientRow.id).all()) == 1001
