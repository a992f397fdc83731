"""Cleaning takes what nobody needs, leaves what anybody uses, says so, and stops when told to."""

from __future__ import annotations

import logging
import os
import threading
import time

import pytest

from server.cleaning.find import find_superseded_results, last_change_s
from server.cleaning.loop import CleaningThreads, Lifetimes
from server.clients.rasters import RasterStore
from server.clients.sessions import ClientStore
from server.clients.staging import staging_folder
from server.database import open_database
from server.jobs.queue import LocalQueue

HOUR_S = 3600.0
LIFETIMES = Lifetimes(client_s=24 * HOUR_S, visitor_s=HOUR_S, stale_file_s=2 * HOUR_S)


class Service:
    """Real stores and a queue whose jobs run until released."""

    def __init__(self, cache_folder):
        self.cache = cache_folder
        self.engine = open_database(cache_folder / "service.sqlite")
        self.clients = ClientStore(self.engine, cache_folder)
        self.rasters = RasterStore(self.engine, cache_folder, client_quota_bytes=10**6)
        self.queue = LocalQueue(self.engine, {"work": self.work})
        self.running, self.released = threading.Event(), threading.Event()
        self.cleaning = CleaningThreads(self.clients, self.queue, cache_folder, LIFETIMES, interval_s=0.05)

    def work(self, record, report):
        folder = self.rasters.find(self.clients.get(record.client), None).folder / f"job-{record.job}-abc"
        folder.mkdir()
        self.running.set()
        while not self.released.wait(0.005):
            report(0.5, "held")
        folder.rmdir()
        return {}

    def add(self, client, name="a.tif"):
        path = staging_folder(self.cache) / "upload"
        path.write_bytes(b"12345")
        return self.rasters.add(client, name, path, ".tif")


@pytest.fixture
def service(tmp_path):
    made = Service(tmp_path / "cache")
    yield made
    made.cleaning.stop()
    made.queue.stop(5)
    made.engine.dispose()


def make_old(path, hours=3.0):
    """Write a file or what is in a folder back in time."""
    then = time.time() - hours * HOUR_S
    for item in [*path.rglob("*"), path]:
        os.utime(item, (then, then))


def test_unfinished_uploads_go_when_nobody_writes_to_them(service):
    staging = staging_folder(service.cache)
    for name in ("stopped", "streaming"):
        (staging / name).mkdir()
        (staging / name / "part").write_bytes(b"x" * 100)
        make_old(staging / name)
    os.utime(staging / "streaming" / "part")
    service.cleaning.remove_stale_files(time.time())
    assert [path.name for path in staging.iterdir()] == ["streaming"]


def test_side_files_go_when_their_raster_does_not_come(service):
    client = service.clients.issue()
    for name in ("old.tfw", "new.tfw"):
        staged = staging_folder(service.cache) / name
        staged.write_text("1")
        service.rasters.add_pending_side_file(client, name, name[:3], staged)
        if name == "old.tfw":
            make_old(client.folder / "pending")
    service.cleaning.remove_stale_files(time.time())
    assert service.rasters.take_pending_side_files(client, "old") == []
    assert len(service.rasters.take_pending_side_files(client, "new")) == 1


def test_old_rasters_and_their_latest_result_stay(service):
    client = service.clients.issue()
    entry = service.add(client)
    for number in range(3):
        folder = entry.folder / f"draft{number}"
        folder.mkdir()
        (folder / "labels.tif").write_text(str(number))
        service.rasters.replace_result(entry, folder, {"n": number})
    latest = service.rasters.find(client, None)
    (service.rasters.result_folder(latest) / "export-half").mkdir()
    make_old(client.folder)
    service.cleaning.remove_stale_files(time.time())
    assert (service.rasters.result_folder(latest) / "labels.tif").read_text() == "2"
    assert [path.name for path in entry.folder.glob("result-*")] == ["result-3"]
    assert list(entry.folder.rglob("export-*")) == []
    assert latest.source.exists()


def test_folders_of_jobs_go_unless_the_job_runs(service, caplog):
    caplog.set_level(logging.INFO)
    client = service.clients.issue()
    entry = service.add(client)
    left = entry.folder / f"job-{'0' * 32}-xyz"
    left.mkdir()
    (left / "half").write_bytes(b"x" * 321)
    service.queue.start()
    job = service.queue.submit("work", client=client.id, raster="a.tif", request={}).job
    assert service.running.wait(5)
    service.cleaning.remove_stale_files(time.time() + 100 * HOUR_S)
    assert [path.name for path in entry.folder.glob("job-*")] == [f"job-{job}-abc"]
    assert "Removed 1 folders of jobs that are over with 321 bytes" in caplog.text
    service.released.set()
    assert service.queue.wait(job, 5).state == "done"


def test_trash_and_folders_nobody_knows_go(service):
    (service.cache / "trash" / "rest").mkdir(parents=True)
    known = service.clients.issue()
    stranger = service.cache / "clients" / ("0" * 32)
    stranger.mkdir()
    make_old(service.cache / "clients")
    service.cleaning.remove_stale_files(time.time())
    assert list((service.cache / "trash").iterdir()) == []
    assert not stranger.exists()
    assert known.folder.exists()


def test_expired_clients_go_with_rasters_and_jobs(service, caplog):
    caplog.set_level(logging.INFO)
    visitor, human = service.clients.issue(), service.clients.issue()
    service.clients.mark_human(human.id)
    service.add(human)
    service.queue.submit("work", client=visitor.id, raster="a.tif", request={})
    service.queue.cancel_all(visitor.id)
    service.cleaning.remove_expired_clients(time.time() + 2 * HOUR_S)
    assert service.clients.get(visitor.id) is None
    assert service.queue.list(visitor.id) == []
    assert service.rasters.find(human, "a.tif").source.exists()
    service.cleaning.remove_expired_clients(time.time() + 25 * HOUR_S)
    assert service.clients.get(human.id) is None
    assert not human.folder.exists()
    assert "Removed 1 expired clients with 5 bytes" in caplog.text


def test_a_client_with_jobs_stays(service):
    client = service.clients.issue()
    service.add(client)
    job = service.queue.submit("work", client=client.id, raster="a.tif", request={}).job
    service.cleaning.remove_expired_clients(time.time() + 1000 * HOUR_S)
    assert service.clients.get(client.id) is not None
    service.queue.cancel(client.id, job)
    service.cleaning.remove_expired_clients(time.time() + 1000 * HOUR_S)
    assert service.clients.get(client.id) is None


def test_the_threads_clean_repeatedly_and_stop_at_once(service):
    service.cleaning.start()
    trash = service.cache / "trash"
    for name in ("first", "second"):
        (trash / name).mkdir(parents=True)
        deadline = time.monotonic() + 5
        while (trash / name).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    started = time.monotonic()
    service.cleaning.stop()
    assert time.monotonic() - started < 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clean-")]


def test_a_failing_round_is_logged_and_followed_by_another(service, monkeypatch, caplog):
    rounds = []

    def fail(_folder):
        rounds.append(1)
        raise OSError("disk gone")

    monkeypatch.setattr("server.cleaning.loop.find_job_folders", fail)
    service.cleaning.start()
    deadline = time.monotonic() + 5
    while len(rounds) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    service.cleaning.stop()
    assert "disk gone" in caplog.text


def test_results_are_ordered_by_number_not_by_name(tmp_path):
    for name in ("result-9", "result-10", "result-11", "result-x"):
        (tmp_path / name).mkdir()
    assert [path.name for path in find_superseded_results(tmp_path)] == ["result-9", "result-10"]


def test_what_is_gone_is_never_stale(tmp_path):
    assert last_change_s(tmp_path / "absent") == float("inf")
