"""Rasters live under generated names, are replaced in one step, and share one quota."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from server.clients.names import clean_file_name
from server.clients.rasters import RasterStore
from server.database import open_database
from server.errors import BadParameter, NoSuchRaster, QuotaExceeded


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("scene.tif", "scene.tif"),
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\..\\scene.tif", "scene.tif"),
        ("a\x00b\x1f\n.tif", "ab.tif"),
        ("fdp.\u202egnp.tif", "fdp.gnp.tif"),
        ("场景 1.tif", "场景 1.tif"),
        (".hidden.tif", ".hidden.tif"),
        ("x" * 196 + ".tif", "x" * 196 + ".tif"),
    ],
)
def test_names_lose_what_is_no_name(sent, kept):
    assert clean_file_name(sent) == kept


@pytest.mark.parametrize("sent", ["", ".", "..", "a/..", "/", "\\", "\x00", "  ", "x" * 197 + ".tif", "dir/"])
def test_what_is_no_name_is_refused(rasters, client, stage, sent):
    staged = stage()
    with pytest.raises(BadParameter) as refused:
        rasters.add(client, sent, staged, ".tif")
    assert refused.value.field == "file"
    assert staged.exists()
    assert list(client.folder.rglob("*")) == []


def test_a_raster_is_moved_in_under_a_generated_name(rasters, client, stage):
    staged = stage(b"12345")
    entry = rasters.add(client, "../../scene.tif", staged, ".tif")
    assert entry.name == "scene.tif"
    assert entry.source == client.folder / "rasters" / entry.id / "source.tif"
    assert entry.source.read_bytes() == b"12345"
    assert (entry.size_bytes, entry.result) == (5, None)
    assert not staged.exists()
    assert rasters.find(client, "scene.tif") == rasters.get(client.id, entry.id) == entry


def test_the_latest_raster_is_meant_by_none(rasters, client, stage):
    with pytest.raises(NoSuchRaster) as refused:
        rasters.find(client, None)
    assert refused.value.field == "raster"
    for name in ("a.tif", "b.tif", "a.tif"):
        rasters.add(client, name, stage(), ".tif")
    assert [item.name for item in rasters.list(client)] == ["a.tif", "b.tif"]
    assert rasters.find(client, None).name == "a.tif"


def test_the_same_name_replaces_files_and_result(rasters, client, stage):
    older = rasters.add(client, "a.tif", stage(b"old"), ".tif")
    newer = rasters.add(client, "a.tif", stage(b"new"), ".png")
    assert not older.folder.exists()
    assert newer.source.read_bytes() == b"new"
    assert [item.id for item in rasters.list(client)] == [newer.id]
    with pytest.raises(NoSuchRaster):
        rasters.get(client.id, older.id)


def test_a_failed_replacement_keeps_the_older_one(rasters, client, stage, tmp_path):
    older = rasters.add(client, "a.tif", stage(b"old"), ".tif")
    with pytest.raises(FileNotFoundError):
        rasters.add(client, "a.tif", tmp_path / "absent", ".tif")
    assert rasters.find(client, "a.tif") == older
    assert older.source.read_bytes() == b"old"
    assert list((client.folder / "pending").iterdir()) == []


def test_another_clients_raster_does_not_exist(rasters, clients, client, stage):
    entry = rasters.add(client, "a.tif", stage(), ".tif")
    stranger = clients.issue()
    with pytest.raises(NoSuchRaster):
        rasters.find(stranger, "a.tif")
    with pytest.raises(NoSuchRaster):
        rasters.get(stranger.id, entry.id)
    with pytest.raises(NoSuchRaster):
        rasters.delete(stranger, "a.tif")
    assert entry.source.exists()


@pytest.mark.parametrize("name", ["../a.tif", "..", "%", "", "a.tif\x00"])
def test_a_name_that_was_never_given_finds_nothing(rasters, client, stage, name):
    rasters.add(client, "a.tif", stage(), ".tif")
    with pytest.raises(NoSuchRaster):
        rasters.find(client, name)


def test_deleting_removes_files_and_row(rasters, client, stage):
    entry = rasters.add(client, "a.tif", stage(), ".tif")
    rasters.delete(client, "a.tif")
    assert not entry.folder.exists()
    assert rasters.list(client) == []


def test_rasters_survive_a_restart_in_a_folder_that_was_moved(rasters, client, clients, engine, stage, tmp_path):
    rasters.add(client, "a.tif", stage(b"12"), ".tif")
    engine.dispose()
    shutil.move(tmp_path / "cache", tmp_path / "moved")
    again = open_database(tmp_path / "moved" / "service.sqlite")
    entry = RasterStore(again, tmp_path / "moved", client_quota_bytes=1).get(client.id, rasters_id(again))
    again.dispose()
    assert entry.source.read_bytes() == b"12"
    assert entry.source.is_relative_to(tmp_path / "moved")


def rasters_id(engine) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SELECT id FROM rasters").scalar_one())


def make_result(entry, content: str):
    folder = entry.folder / f"job-{content}"
    folder.mkdir()
    for name in ("labels", "objects"):
        (folder / name).write_text(content)
    return folder


def test_a_reader_never_sees_a_mixture(rasters, client, stage):
    rasters.add(client, "a.tif", stage(), ".tif")
    rasters.replace_result(rasters.find(client, None), make_result(rasters.find(client, None), "0"), {"n": "0"})
    seen, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            entry = rasters.find(client, "a.tif")
            folder = rasters.result_folder(entry)
            seen.append(((folder / "labels").read_text(), entry.result["n"], (folder / "objects").read_text()))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 6):
        entry = rasters.find(client, "a.tif")
        rasters.replace_result(entry, make_result(entry, str(number)), {"n": str(number)})
        before = len(seen)  # after the change, so that the reader is never two results behind
        while len(seen) < before + 3:
            assert reader.is_alive(), "the reader met a missing file"
            time.sleep(0.001)
    done.set()
    reader.join()
    assert all(len(set(item)) == 1 for item in seen)
    assert {item[0] for item in seen} >= {"1", "5"}
    assert len(list(rasters.find(client, None).folder.glob("result-*"))) == 2


def test_a_result_of_a_deleted_raster_is_refused(rasters, client, stage):
    entry = rasters.add(client, "a.tif", stage(), ".tif")
    rasters.delete(client, "a.tif")
    with pytest.raises(NoSuchRaster):
        rasters.replace_result(entry, entry.folder, {})


def test_side_files_wait_for_their_raster(rasters, client, clients, stage):
    rasters.add_pending_side_file(client, "../Scene.TFW", "Scene", stage(b"old"))
    rasters.add_pending_side_file(client, "Scene.TFW", "Scene", stage(b"new"))
    rasters.add_pending_side_file(client, "scene.prj", "scene", stage(b"prj"))
    rasters.add_pending_side_file(client, "other.tfw", "other", stage())
    assert rasters.take_pending_side_files(clients.issue(), "scene") == []
    taken = rasters.take_pending_side_files(client, "SCENE")
    assert [(name, path.read_bytes()) for name, path in taken] == [("Scene.TFW", b"new"), ("scene.prj", b"prj")]
    assert rasters.take_pending_side_files(client, "scene") == []


def test_a_side_file_that_was_cleaned_away_is_not_given(rasters, client, stage):
    rasters.add_pending_side_file(client, "a.tfw", "a", stage())
    for path in (client.folder / "pending").iterdir():
        path.unlink()
    assert rasters.take_pending_side_files(client, "a") == []


def test_the_quota_counts_files_and_what_is_on_its_way(rasters, clients, client, stage):
    rasters.add(client, "a.tif", stage(b"x" * 6000), ".tif")
    with rasters.reserve(client, 3000):
        with pytest.raises(QuotaExceeded) as refused, rasters.reserve(client, 2000):
            pass
        with rasters.reserve(clients.issue(), 10_000):
            pass
    for word in ("9,000", "10,000", "Delete a raster"):
        assert word in refused.value.message
    with rasters.reserve(client, 4000):
        pass


def test_a_failed_upload_gives_its_reservation_back(rasters, client):
    for _ in range(2):
        with pytest.raises(ValueError, match="stop"), rasters.reserve(client, 9000):
            raise ValueError("stop")


def test_uploads_at_once_do_not_pass_the_quota_together(rasters, client, stage):
    refused, start = [], threading.Barrier(8)

    def upload(number: int) -> None:
        start.wait(10)
        try:
            with rasters.reserve(client, 3000):
                rasters.add(client, f"{number}.tif", staged[number], ".tif")
        except QuotaExceeded:
            refused.append(number)

    staged = [stage(b"x" * 3000) for _ in range(8)]
    threads = [threading.Thread(target=upload, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(entry.size_bytes for entry in rasters.list(client)) <= 10_000
    assert 1 <= len(rasters.list(client)) <= 3
    assert len(refused) == 8 - len(rasters.list(client))
