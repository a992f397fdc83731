"""From a click to its outline, inside the server: one person, and ten who click at the same moment.

The raster is a mosaic of painted scenes, 10,000 x 10,000 pixels; the clicks go into the middle of its objects, through
the whole application without a socket. "cached" repeats clicks whose windows the network has seen before.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import ChainMap
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import cv2
import numpy as np
import rasterio
from flask import Flask
from flask.testing import FlaskClient
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window

from server.app import create_app, find_background
from server.routes.guards import COOKIE
from server.routes.services import EXTENSION, Services
from server.segmentation.networks.spinning import spin_briefly
from server.settings import REPOSITORY, make_settings
from server.training.scenes import generate_scene

SCENE_PX, N_SCENES = 1000, 10
SEED = 3
# Neither a speck nor a field: what people click on.
AREA_PX = (80, 20_000)
N_PEOPLE = 10
# Clicks of each of them on ground that nobody has seen.
N_NEW = 4
Place = tuple[float, float]
Answer = tuple[float, list[tuple[int, str]]]


def main(arguments: Sequence[str]) -> int:
    """Print medians of one person and the 95th percentiles of ten."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.click_latency", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--clicks", type=int, default=40, help="places one person clicks on, at most 59")
    parser.add_argument("--rounds", type=int, default=10, help="times that ten people click at once, at most --clicks")
    chosen = parser.parse_args(arguments)
    spin_briefly()
    import torch  # after the line above, as in the service

    with tempfile.TemporaryDirectory() as name:
        app = make_app(Path(name))
        try:
            figures = measure(app, chosen.clicks, chosen.rounds)
        finally:
            find_background(app).stop(5)
    figures["threads"] = torch.get_num_threads()
    for key, value in figures.items():
        print(f"{key:28} {value}")
    if chosen.json:
        print(json.dumps(figures))
    return 0


def make_app(folder: Path) -> Flask:
    """Return the application, with limits that no benchmark meets."""
    chosen = {"cache_folder": str(folder / "cache"), "human_check": False, "interactive_access_limit": "100000/minute"}
    return create_app(make_settings(chosen, REPOSITORY))


def measure(app: Flask, n_clicks: int, n_rounds: int) -> dict[str, Any]:
    """Return all figures."""
    scene = generate_scene(SCENE_PX, SEED)
    people = make_people(app, scene.rgb)
    warm_up, *places = choose_places(find_middles(scene.labels), 1 + n_clicks + N_PEOPLE * N_NEW)
    ask(people[0], warm_up)
    own, new = places[:n_clicks], places[n_clicks:]
    first = [ask(people[0], place) for place in own]
    again = [ask(people[0], place) for place in own]
    right = {place: answer for place, (_, answer) in zip(own, again, strict=True)}
    rng = np.random.default_rng(SEED)
    known = click_at_once(people, [[own[index] for index in rng.permutation(n_clicks)[:n_rounds]] for _ in people])
    unknown = click_at_once(people, [new[number::N_PEOPLE] for number in range(N_PEOPLE)])
    return {
        "cached_median_ms": milliseconds(again, 50),
        "new_median_ms": milliseconds(first, 50),
        "new_p95_ms": milliseconds(first, 95),
        "ten_at_once_cached_p95_ms": milliseconds(known.values(), 95),
        "ten_at_once_new_p95_ms": milliseconds(unknown.values(), 95),
        "wrong_answers": sum(answer != right[place] for (_, place), (_, answer) in known.items()),
        "answers_without_mask": sum(not answer for _, answer in again),
        "clicks": n_clicks,
    }


def milliseconds(answers: Iterable[Answer], percent: int) -> float:
    """Return what `percent` of the answers took at most."""
    return round(1000 * float(np.percentile([seconds for seconds, _ in answers], percent)), 1)


def make_people(app: Flask, rgb: NDArray[np.uint8]) -> list[FlaskClient]:
    """Return ten clients, each with the same raster of its own."""
    services: Services = app.extensions[EXTENSION]
    people = []
    mosaic = write_mosaic(services.staging_folder / "mosaic.tif", rgb)
    for number in range(N_PEOPLE):
        staged = mosaic.with_name(f"{number}.tif")
        staged.hardlink_to(mosaic)
        person = app.test_client()
        person.get("/")
        cookie = person.get_cookie(COOKIE)
        client = services.clients.find(None if cookie is None else cookie.value)
        if client is None:
            raise RuntimeError("the application gave no cookie")
        services.rasters.add(client, "mosaic.tif", staged, ".tif")
        person.get("/raster_meta")  # statistics are computed once per raster
        people.append(person)
    return people


def write_mosaic(path: Path, rgb: NDArray[np.uint8]) -> Path:
    """Write a tiled GeoTIFF with overviews in which one scene fills 10 x 10 squares."""
    side = SCENE_PX * N_SCENES
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "tiled": True,
               "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1, "photometric": "rgb",
               "crs": "EPSG:32650", "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_400_000)}  # fmt: skip
    strip = np.moveaxis(np.tile(rgb, (1, N_SCENES, 1)), 2, 0)
    with rasterio.open(path, "w", **profile) as target:
        for number in range(N_SCENES):
            target.write(strip, window=Window(0, number * SCENE_PX, side, SCENE_PX))
        target.build_overviews([2, 4, 8, 16], Resampling.average)
    return path


def find_middles(labels: NDArray[np.int32]) -> list[Place]:
    """Return for each object of a likely size the pixel that is furthest from its outline."""
    middles = []
    for number in range(1, int(labels.max()) + 1):
        mask = (labels == number).astype(np.uint8)
        if AREA_PX[0] <= np.count_nonzero(mask) <= AREA_PX[1]:
            depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
            row, col = np.unravel_index(int(depth.argmax()), depth.shape)
            middles.append((float(col) + 0.5, float(row) + 0.5))
    return middles


def choose_places(middles: list[Place], n_places: int) -> list[Place]:
    """Return clicks in different scenes of the mosaic, so that hardly any two share a window."""
    rng = np.random.default_rng(SEED)
    scenes = rng.permutation(N_SCENES**2)[:n_places]
    if len(scenes) < n_places:
        raise ValueError(f"{n_places} places asked; the mosaic has {N_SCENES**2} scenes")
    chosen = [middles[int(rng.integers(len(middles)))] for _ in scenes]
    return [
        (x + SCENE_PX * (int(scene) % N_SCENES), y + SCENE_PX * (int(scene) // N_SCENES))
        for (x, y), scene in zip(chosen, scenes, strict=True)
    ]


def ask(person: FlaskClient, place: Place) -> Answer:
    """Click once; return the seconds it took and what there is to compare."""
    started = time.perf_counter()
    response = person.post("/predict", json={"points": [[*place, 1]]})
    content = response.get_json()
    seconds = time.perf_counter() - started
    if response.status_code != 200:
        raise RuntimeError(content["message"])
    return seconds, [(mask["area_px"], json.dumps(mask["feature"]["geometry"])) for mask in content["masks"]]


def click_at_once(people: list[FlaskClient], places: list[list[Place]]) -> dict[tuple[int, Place], Answer]:
    """Let everybody click on the next of their places at the same moment, until none is left.

    Returns:
        (number of the person, place) -> answer.
    """
    together = Barrier(len(people))

    def click(number: int) -> dict[tuple[int, Place], Answer]:
        answers = {}
        for place in places[number]:
            together.wait()
            answers[number, place] = ask(people[number], place)
        return answers

    with ThreadPoolExecutor(len(people)) as threads:
        return dict(ChainMap(*threads.map(click, range(len(people)))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
