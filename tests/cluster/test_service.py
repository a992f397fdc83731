"""A service of several processes: upload here, work there, download elsewhere, whatever is killed meanwhile."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio

from benchmarks.known_objects import paint_mosaic
from benchmarks.whole_raster import write_raster
from server.rasters.windows import PixelWindow
from server.segmentation.engine import SegmentationEngine
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.whole_raster.segmenting import LABELS, SegmentRequest, SegmentResult
from tests.cluster.processes import Programs, running
from tests.outside_servers import RedisServer, run_redis
from tests.serving import ServerProcess

SIDE_PX = 1000
# Two windows beside each other, in two rows.
PART = (0, 0, 896, 896)
PARAMETERS = {"points_per_side": 4}
LEASE_S = 6.0


@pytest.fixture(scope="module")
def raster(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("raster")
    return write_raster(folder / "scene.tif", SIDE_PX, paint_mosaic(1, 1000, 7)[0])


@pytest.fixture(scope="module")
def expected(tmp_path_factory, raster) -> tuple[np.ndarray, SegmentResult]:
    """Return labels and result of a process that works alone and undisturbed."""
    folder = tmp_path_factory.mktemp("alone")
    engine = SegmentationEngine(CHECKPOINT_FOLDER, "cpu")
    settings = MaskGeneratorSettings.from_mapping(PARAMETERS)
    request = SegmentRequest((1, 2, 3), settings, "embedded", PixelWindow(*PART))
    result = engine.segment(raster, folder, request, lambda *_: None)
    with rasterio.open(folder / LABELS) as labels:
        return labels.read(1), result


def test_a_job_survives_its_worker_and_the_broker(tmp_path, raster, expected):
    queue = {"engine": "celery", "lease_s": LEASE_S}
    with run_redis(tmp_path) as redis, running(tmp_path, queue={**queue, "broker": redis.url}) as programs:
        first, second = programs.start_web("web1"), programs.start_web("web2")
        for name in ("one", "two"):
            programs.start_worker(name)
        programs.wait_until_ready(web1=first, web2=second)
        first.upload(raster)
        job = begin(first)
        kept = f"clients/*/rasters/*/job-{job}-windows/*/*.kept"
        wait_for_windows(programs, kept, 1)
        # The one that has the job, so that another one has to take it over.
        os.kill(find_owner(programs, job), signal.SIGKILL)
        restart(redis)
        events = read_events(second, job)
        record = second.wait_for(job, "done", "failed")
        assert record["state"] == "done", (record, programs.read_log("one"), programs.read_log("two"))
        labels, undisturbed = expected
        assert np.array_equal(read_labels(second), labels)
        names = ("n_objects", "n_windows", "n_empty_windows")
        assert [record["result"][name] for name in names] == [getattr(undisturbed, name) for name in names]
        assert record["attempts"] >= 2  # more where the machine is so busy that a living worker is missed
        assert record["result"]["n_windows_reused"] >= 1
        assert events[-1]["state"] == "done"
        assert any(0 < event["progress"] < 1 for event in events[:-1])
        assert not list(programs.cache.glob("clients/*/rasters/*/job-*"))


def begin(server: ServerProcess) -> str:
    status, record = server.json("POST", "/segment", {**PARAMETERS, "window": PART}, Prefer="respond-async")
    assert status == 202, record
    return record["job"]


def read_labels(server: ServerProcess) -> np.ndarray:
    status, content = server.request("GET", "/download")
    assert status == 200
    with rasterio.open(io.BytesIO(content)) as labels:
        return labels.read(1)


def wait_for_windows(programs: Programs, pattern: str, n_windows: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(programs.cache.glob(pattern))) < n_windows:
        if time.monotonic() > deadline:
            raise TimeoutError(programs.read_log("one") + programs.read_log("two"))
        time.sleep(0.02)


def find_owner(programs: Programs, job: str) -> int:
    """Return the process id of the worker that has the job, which is a part of its name."""
    with closing(sqlite3.connect(f"file:{programs.cache / 'service.sqlite'}?mode=ro", uri=True)) as database:
        (worker,) = database.execute("SELECT worker FROM job_claims WHERE job = ?", (job,)).fetchone()
    return int(worker.split("-")[-2])


def restart(redis: RedisServer) -> None:
    redis.stop()
    time.sleep(0.5)
    redis.start()


def read_events(server: ServerProcess, job: str) -> list[dict]:
    status, content = server.request("GET", f"/jobs/{job}/events")
    assert status == 200
    return [json.loads(line.removeprefix("data: ")) for line in content.decode().splitlines() if line[:5] == "data:"]
