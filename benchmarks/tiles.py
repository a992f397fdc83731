"""Map tiles: this server beside titiler, both over HTTP on the same raster, one tile each in turns.

titiler lives in a virtual environment of its own (`.bench-venv/titiler`), made on first use.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import morecantile
import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from benchmarks.peer import make_peer
from benchmarks.timing import median_seconds
from server.settings import REPOSITORY

PEER_PACKAGES = ("titiler.application", "uvicorn")
TOKEN = "benchmark"  # noqa: S105 - for a server that lives as long as this run
SIZE = 8192


def main(arguments: Sequence[str]) -> int:
    """Print the median milliseconds per tile of both and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiles", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=40)
    chosen = parser.parse_args(arguments)
    programs = make_peer("titiler", PEER_PACKAGES, "import titiler.application, uvicorn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raster = write_raster(folder / "scene.tif")
        with serve_ours(folder, raster) as ours, serve_titiler(folder, raster, programs) as theirs:
            medians = median_seconds({"ours": ours, "titiler": theirs}, chosen.rounds)
    figures = {f"{side}_ms": round(1000 * seconds, 1) for side, seconds in medians.items()}
    figures["titiler_over_ours"] = round(medians["titiler"] / medians["ours"], 2)
    for key, value in figures.items():
        print(f"{key:20} {value}")
    if chosen.json:
        print(json.dumps(figures))
    return 0


def write_raster(path: Path) -> Path:
    """Write a tiled uint16 GeoTIFF of SIZE x SIZE pixels with overviews."""
    block = np.random.default_rng(0).integers(100, 3000, (3, 512, 512), dtype="uint16")
    profile = {"driver": "GTiff", "width": SIZE, "height": SIZE, "count": 3, "dtype": "uint16", "tiled": True,
               "blockxsize": 512, "blockysize": 512, "compress": "deflate", "crs": "EPSG:32650",
               "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_400_000)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        for row in range(0, SIZE, 512):
            for col in range(0, SIZE, 512):
                target.write(block, window=Window(col, row, 512, 512))
        target.build_overviews([2, 4, 8, 16], Resampling.average)
    return path


def tiles_of(raster: Path) -> Iterator[morecantile.Tile]:
    """Return tiles over the raster at four zooms, again and again."""
    with rasterio.open(raster) as source:
        west, south, east, north = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
    grid = morecantile.tms.get("WebMercatorQuad")
    return cycle(
        [tile for zoom in (15, 16, 17, 18) for tile in list(grid.tiles(west, south, east, north, [zoom]))[:12]]
    )


@contextmanager
def serve_ours(folder: Path, raster: Path) -> Iterator[Callable[[], object]]:
    """Run this project's server with the raster uploaded; yield what fetches the next tile."""
    configuration = folder / "configuration.json"
    configuration.write_text(json.dumps({"port": 0, "cache_folder": str(folder / "cache"), "api_tokens": [TOKEN]}))
    command = [sys.executable, "ultimate.py", "--configuration", str(configuration)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            url = (process.stdout or sys.stdin).readline().split()[-1]
            body = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="scene.tif"\r\n\r\n'
            body += raster.read_bytes() + b"\r\n--edge--\r\n"
            fetch(f"{url}/upload", body, Content_Type="multipart/form-data; boundary=edge")
            fetch(f"{url}/raster_meta")
            tiles = tiles_of(raster)
            yield lambda: fetch("{0}/tiles/scene.tif/{1.z}/{1.x}/{1.y}.png".format(url, next(tiles)))
        finally:
            process.terminate()


@contextmanager
def serve_titiler(folder: Path, raster: Path, programs: Path) -> Iterator[Callable[[], object]]:
    """Run titiler on the raster's folder; yield what fetches the next tile."""
    with run_titiler(folder, programs) as url:
        tiles = tiles_of(raster)
        yield lambda: fetch(url + titiler_path(raster, next(tiles)))


def titiler_path(raster: Path, tile: morecantile.Tile) -> str:
    """Return what to ask titiler for, in the colours that this project's stretch gives."""
    query = urllib.parse.urlencode({"url": str(raster), "rescale": "158,2942", "bidx": [1, 2, 3]}, doseq=True)
    return f"/cog/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.png?{query}"


@contextmanager
def run_titiler(folder: Path, programs: Path) -> Iterator[str]:
    """Run titiler in a folder; yield its address."""
    port = 8917
    command = [
        str(programs / "uvicorn"),
        "titiler.application.main:app",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/healthz")
            yield url
        finally:
            process.terminate()


def wait_for(url: str) -> None:
    """Wait until `url` answers, for a minute at most."""
    for _ in range(240):
        try:
            fetch(url)
        except urllib.error.URLError:
            time.sleep(0.25)
        else:
            return
    raise TimeoutError(url)


def fetch(url: str, body: bytes | None = None, **headers: str) -> bytes:
    """Return the answer's body."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {TOKEN}", **named})  # noqa: S310 - own address
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - own address
        return bytes(response.read())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
