"""Files that would stop or end the server are looked at in another process first, and only that one suffers."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import threading
import time

import numpy as np
import pytest
import rasterio

from server.errors import BadParameter, NotARaster, TooLarge
from server.uploads import examining
from server.uploads.examiners import Examiner, Examiners
from tests.routes.support import assert_error, upload


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.fixture(scope="module")
def endless_jp2(tmp_path_factory):
    """A small JPEG 2000 whose metadata GDAL reads for ever: a box of length 0 inside another box."""
    path = tmp_path_factory.mktemp("jp2") / "endless.jp2"
    profile = {"driver": "JP2OpenJPEG", "width": 64, "height": 64, "count": 1, "dtype": "uint8"}
    place = {"crs": "EPSG:32650", "transform": rasterio.Affine(1, 0, 500_000, 0, -1, 4_400_000)}
    with rasterio.open(path, "w", **profile, **place) as target:
        target.write(np.full((1, 64, 64), 7, np.uint8))
    content = path.read_bytes()
    start = content.index(b"jp2c") - 4
    endless = box(b"asoc", struct.pack(">I4s", 0, b"xml ") + b" " * 40)
    path.write_bytes(content[:start] + endless + content[start:])
    return path


@pytest.fixture
def quick_limits(monkeypatch):
    """One second of computing time for the check instead of five."""
    code = f"import sys, {examining.__name__} as e; e.CHECK_S = 1.0; sys.exit(e.main())"
    real = subprocess.Popen

    def popen(command, **options):
        return real([command[0], "-c", code], **options)

    monkeypatch.setattr("server.uploads.examiners.subprocess.Popen", popen)


@pytest.fixture
def examiners():
    made = Examiners(1)
    yield made
    made.close()


def test_a_file_that_is_read_for_ever_is_refused_while_the_server_answers(
    app, client, endless_jp2, quick_limits, monkeypatch
):
    one = Examiners(1)
    monkeypatch.setattr("server.uploads.receive.shared_examiners", lambda: one)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(upload(client, endless_jp2)))
    started = time.monotonic()
    thread.start()
    other = app.test_client()
    while thread.is_alive():
        assert other.get("/health").status_code == 200
        time.sleep(0.05)
    one.close()
    assert time.monotonic() - started < 30
    assert "damaged" in assert_error(answers[0], 415, "not_a_raster", "file")
    assert client.get("/rasters").get_json()["rasters"] == []


def test_a_crash_ends_only_its_own_process(examiners, make_raster, monkeypatch):
    path = make_raster()
    examiners.examine_raster(path, max_pixels=10_000)
    victim = examiners._idle[0]
    os.kill(victim._process.pid, signal.SIGSTOP)
    crash = threading.Timer(0.2, os.kill, (victim._process.pid, signal.SIGSEGV))
    resume = threading.Timer(0.4, os.kill, (victim._process.pid, signal.SIGCONT))
    crash.start()
    resume.start()
    with pytest.raises(NotARaster, match="makes GDAL fail"):
        examiners.examine_raster(path, max_pixels=10_000)
    examiners.examine_raster(path, max_pixels=10_000)
    assert examiners._idle[0] is not victim


def test_the_process_is_used_again_and_tells_what_is_wrong(examiners, make_raster, tmp_path):
    examiners.examine_raster(make_raster(), max_pixels=10_000)
    first = examiners._idle[0]
    with pytest.raises(TooLarge, match="at most 100"):
        examiners.examine_raster(make_raster(), max_pixels=100)
    text = tmp_path / "no.tif"
    text.write_text("no raster")
    with pytest.raises(NotARaster):
        examiners.examine_raster(text, max_pixels=100)
    assert examiners._idle == [first]


def test_memory_is_limited_there(monkeypatch, make_raster):
    limits = {}
    monkeypatch.setattr(examining.resource, "setrlimit", lambda kind, pair: limits.update({kind: pair[0]}))
    monkeypatch.setattr(examining.Path, "write_text", lambda self, text: limits.update({str(self): text}))
    examining._limit_process()
    assert limits[examining.resource.RLIMIT_AS] == examining.MAX_MEMORY_BYTES
    assert limits[examining.resource.RLIMIT_CORE] == 0
    assert limits["/proc/self/oom_score_adj"] == "1000"


def test_too_much_memory_is_one_sentence(monkeypatch, capsys):
    def eat(**_arguments):
        raise MemoryError

    monkeypatch.setattr(examining, "_limit_process", lambda: None)
    monkeypatch.setattr(examining, "TASKS", {"raster": eat})
    monkeypatch.setattr("sys.stdin", ['{"task": "raster", "arguments": {}}\n'])
    assert examining.main() == 0
    assert '"too_large"' in capsys.readouterr().out


def test_a_bug_there_is_a_bug_here(monkeypatch):
    examiner = Examiner()
    with pytest.raises(RuntimeError, match="TypeError"):
        examiner.examine("raster", {"nonsense": 1})
    assert examiner.is_alive()
    examiner.end()


def test_a_bad_side_file_leaves_the_raster_as_it_was(examiners, make_raster, tmp_path):
    raster = make_raster("here/source.tif")
    before = {path.name: path.read_bytes() for path in raster.parent.iterdir()}
    staged = tmp_path / "staged"
    staged.mkdir()
    for name, content in (("scene.tfw", b"not numbers"), ("scene.tif.ovr", b"II*\0broken"), ("scene.prj", b"\xff")):
        side = staged / "upload"
        side.write_bytes(content)
        with pytest.raises(BadParameter):
            examiners.examine_side_file(side, name, raster)
        assert side.read_bytes() == content
    assert {path.name: path.read_bytes() for path in raster.parent.iterdir()} == before


def test_a_good_side_file_passes_and_stays_where_it_is(examiners, make_raster, tmp_path):
    raster = make_raster("here/source.tif", crs=None)
    (tmp_path / "staged").mkdir()
    side = tmp_path / "staged" / "upload"
    side.write_text("0.5\n0\n0\n-0.5\n500000\n4400000\n")
    examiners.examine_side_file(side, "scene.tfw", raster)
    assert side.exists()
    assert [path.name for path in raster.parent.iterdir()] == ["source.tif"]
