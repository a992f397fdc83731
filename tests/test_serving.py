"""The process as an operator meets it: start, stop, wrong settings, interrupted uploads, a kill half way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from tests.serving import REPOSITORY, TOKEN, has_ended, serve


def run_ultimate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "ultimate.py", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("server")) as running:
        yield running


def staged(cache) -> list[str]:
    return [str(path) for name in ("staging", "spool") for path in (cache / name).rglob("*")]


def test_the_first_page_comes_within_five_seconds_and_sigterm_stops_cleanly(tmp_path):
    seconds = []
    for _ in range(3):  # a busy machine may be slow once; the best of three shows what the start costs
        with serve(tmp_path) as server:
            assert server.json("GET", "/health")[0] == 200
            seconds.append(server.first_page_s)
            job_process = server.job_process_id()
        assert server.process.returncode == 0
        assert has_ended(job_process, 0)
        if seconds[-1] < 5:
            break
    assert min(seconds) < 5


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"port": 99999}', "port"),
        ('{"prot": 8000}', "prot"),
        ("{", "JSON"),
        ('{"device": "tpu"}', "device"),
        ('{"database": "mysql://a@b/c"}', "postgresql"),
        ('{"database": "postgresql://a:secret@127.0.0.1:1/c"}', "cannot be used"),
    ],
)
def test_wrong_settings_stop_the_start_with_one_line(tmp_path, content, named):
    path = tmp_path / "configuration.json"
    path.write_text(content)
    found = run_ultimate("--configuration", str(path))
    assert found.returncode == 2
    assert named in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_port_in_use_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "configuration.json"
        path.write_text(json.dumps({"cache_folder": str(tmp_path / "cache")}))
        found = run_ultimate("--configuration", str(path), "--port", str(port))
    assert found.returncode == 2
    assert str(port) in found.stderr


def test_help_names_the_commands():
    found = run_ultimate("--help")
    assert found.returncode == 0
    for word in ("--configuration", "--host", "--port", "segment", "checkpoints", "fetch", "train-embedded"):
        assert word in found.stdout


def test_an_interrupted_upload_leaves_nothing(server):
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /upload HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: 50000000\r\n\r\n"
        '--edge\r\nContent-Disposition: form-data; name="file"; filename="a.tif"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + b"II*\0" * 500_000)
        time.sleep(0.3)
    time.sleep(0.5)
    assert staged(server.cache) == []
    assert server.json("GET", "/rasters")[1]["rasters"] == []
    # The same with a body that is complete but breaks off inside its envelope.
    body = head.split("\r\n\r\n", 1)[1].encode() + b"II*\0" * 1000
    status, answer = server.request("POST", "/upload", body, Content_Type="multipart/form-data; boundary=edge")
    assert status == 400
    assert json.loads(answer)["field"] == "file"
    assert staged(server.cache) == []


def test_what_waitress_refuses_has_the_same_shape(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 262_200 + b"\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.split(b"\r\n")[0].split()[1] == b"431"
    assert set(json.loads(answer.split(b"\r\n\r\n", 1)[1])) == {"error", "message", "field"}


def test_two_hundred_visitors_at_once(server, make_raster):
    assert server.upload(make_raster(size=(600, 400)))[0] == 200
    statuses = []

    def visit() -> None:
        for path in ("/", "/health", "/raster_meta", "/tiles/scene.tif/tilejson.json"):
            statuses.append(server.request("GET", path)[0])

    threads = [threading.Thread(target=visit) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 503}  # 503 only for `/` where the page is not built
    assert len(statuses) == 800


def test_a_job_survives_a_kill(tmp_path, make_raster):
    noise = np.random.default_rng(3).integers(0, 255, (3, 700, 700), dtype="uint8")
    raster = make_raster("noise.tif", noise)
    with serve(tmp_path) as server:
        assert server.upload(raster)[0] == 200
        status, content = server.json("POST", "/segment", {"points_per_side": 4}, Prefer="respond-async")
        assert status == 202
        server.wait_for(content["job"], "running")
        job_process = server.job_process_id()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        assert has_ended(job_process), "nobody is left who works on what the next server begins anew"
    with serve(tmp_path) as server:
        done = server.wait_for(content["job"], "done")
        assert done["result"]["n_objects"] >= 0
        assert server.request("GET", "/download")[0] == 200
        assert not list(server.cache.rglob("job-*"))


def test_the_end_of_the_process_of_jobs_is_not_the_servers(server, make_raster):
    noise = np.random.default_rng(4).integers(0, 255, (3, 700, 700), dtype="uint8")
    assert server.upload(make_raster("killed.tif", noise))[0] == 200
    request = {"raster": "killed.tif", "points_per_side": 4}
    job = server.json("POST", "/segment", request, Prefer="respond-async")[1]["job"]
    server.wait_for(job, "running")
    killed = server.job_process_id()
    os.kill(killed, signal.SIGKILL)
    assert server.json("GET", "/raster_meta?raster=killed.tif")[0] == 200
    done = server.wait_for(job, "done")
    assert done["attempts"] == 2
    assert server.job_process_id() != killed
    assert server.request("GET", "/download?raster=killed.tif")[0] == 200


def test_the_whole_way_on_the_embedded_checkpoint(server):
    """Sample scene in, objects out, with the network that ships."""
    assert server.json("POST", "/sample")[0] == 200
    body = {"points_per_side": 8, "window": [200, 200, 512, 512], "pred_iou_thresh": 0.5, "stability_score_thresh": 0.7}
    status, content = server.json("POST", "/segment", body, Prefer="respond-async")
    assert status == 202
    done = server.wait_for(content["job"], "done")
    assert done["result"]["n_objects"] >= 5
    with MemoryFile(server.request("GET", "/download")[1]) as memory, memory.open() as labels:
        assert labels.crs.to_epsg() == 32650
        values = labels.read(1)
    assert set(np.unique(values)) == set(range(done["result"]["n_objects"] + 1))
    assert not values[:200].any()


def test_a_large_raster_does_not_fill_the_memory(tmp_path):
    """12,000 x 12,000, uint16, four bands: upload, metadata, preview and 50 tiles."""
    path = tmp_path / "large.tif"
    block = np.random.default_rng(5).integers(1, 4000, (512, 512), dtype="uint16")
    profile = {"driver": "GTiff", "width": 12_000, "height": 12_000, "count": 4, "dtype": "uint16", "tiled": True,
               "blockxsize": 512, "blockysize": 512, "compress": "lzw", "crs": "EPSG:32650", "nodata": 0,
               "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_400_000)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        for band in range(1, 5):
            for row in range(0, 12_000, 512):
                for col in range(0, 12_000, 512) if row < 2048 else ():  # the rest stays empty, which is nodata
                    width, height = min(512, 12_000 - col), min(512, 12_000 - row)
                    window = rasterio.windows.Window(col, row, width, height)
                    target.write(block[:height, :width], band, window=window)
    with serve(tmp_path) as server:
        server.json("GET", "/rasters")
        before = server.peak_memory_bytes()
        assert server.upload(path)[0] == 200
        assert server.json("GET", "/raster_meta")[1]["width"] == 12_000
        status, picture = server.request("POST", "/preview_raster", b'{"max_size": 1024}')
        assert (status, picture[:4]) == (200, b"\x89PNG")
        tilejson = server.json("GET", "/tiles/large.tif/tilejson.json")[1]
        import morecantile

        grid = morecantile.tms.get("WebMercatorQuad")
        zooms = range(tilejson["maxzoom"] - 4, tilejson["maxzoom"] + 1)
        tiles = [tile for zoom in zooms for tile in list(grid.tiles(*tilejson["bounds"], zooms=[zoom]))[:10]]
        for tile in tiles[:50]:
            assert server.request("GET", f"/tiles/large.tif/{tile.z}/{tile.x}/{tile.y}.png")[0] in (200, 204)
        assert server.peak_memory_bytes() - before < 500e6


def test_the_page_is_served_without_the_cache_folder_ever_showing(server):
    for path in ("/cache/service.sqlite", "/service.sqlite", "/../configuration.json", "/ckpt/embedded.safetensors"):
        request = urllib.request.Request(server.url + path)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10)
        caught.value.close()
        assert caught.value.code == 404
