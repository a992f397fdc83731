"""Every raster of the zoo over HTTP: it works and agrees with rasterio, or is refused with a sentence; never a 500."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import pytest
import rasterio
from rasterio.io import MemoryFile

from tests.routes.support import upload, with_token

SUFFIXES = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2"}
# Large files take seconds each and are covered by the tests of the rasters package.
MAX_FILE_BYTES = 3_000_000
MAX_SEGMENTED_PX = 1_000_000
# As much of it is segmented: georeferencing is that of the whole raster all the same, and noise has objects everywhere.
WINDOW_PX = 192
N_PARTS = 4


def zoo_files(real_data: Path) -> list[Path]:
    found = [path for path in sorted((real_data / "geotiff_zoo").rglob("*")) if path.suffix.lower() in SUFFIXES]
    return [path for path in found if path.stat().st_size <= MAX_FILE_BYTES]


@pytest.mark.parametrize("part", range(N_PARTS))
def test_the_zoo_over_http(start_app, settings, real_data, part):
    client = with_token(start_app(dataclasses.replace(settings, max_pixels=100_000_000, max_queued_jobs=10_000)))
    files = zoo_files(real_data)[part::N_PARTS]
    assert len(files) > 30
    n_accepted = 0
    for path in files:
        response = upload(client, path, "raster" + path.suffix)
        if response.status_code != 200:
            assert response.status_code in (400, 413, 415), f"{path}: {response.get_data(as_text=True)}"
            assert response.get_json()["message"].endswith("."), path
            continue
        n_accepted += 1
        check_against_rasterio(path, response.get_json()["meta"])
        use(client, path)
    assert n_accepted > len(files) / 2
    assert not list((settings.cache_folder / "staging").rglob("*"))


def check_against_rasterio(path: Path, meta: dict) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path) as source:
            found = (meta["width"], meta["height"], meta["band_count"], meta["driver"])
            assert found == (source.width, source.height, source.count, source.driver), path
            assert [band["dtype"] for band in meta["bands"]] == list(source.dtypes), path
            if meta["transform"] is not None and not source.gcps[0]:
                assert meta["transform"] == pytest.approx(list(source.transform)[:6]), path
            if source.crs is not None and source.crs.to_epsg() is not None:
                assert meta["crs"]["epsg"] == source.crs.to_epsg(), path


def use(client, path: Path) -> None:
    """Look at an accepted raster in every way, and segment it where it is small."""
    name = "raster" + path.suffix
    meta = client.get(f"/raster_meta?raster={name}").get_json()
    answers = {
        "preview": client.post("/preview_raster", json={"raster": name, "max_size": 128}),
        "tilejson": client.get(f"/tiles/{name}/tilejson.json"),
    }
    tilejson = answers["tilejson"].get_json()
    zoom = tilejson.get("minzoom", 0)
    answers["tile"] = client.get(f"/tiles/{name}/{zoom}/0/0.png")
    middle = [meta["width"] / 2, meta["height"] / 2, 1]
    answers["predict"] = client.post("/predict", json={"raster": name, "points": [middle]})
    if meta["width"] * meta["height"] <= MAX_SEGMENTED_PX:
        window = [0, 0, min(WINDOW_PX, meta["width"]), min(WINDOW_PX, meta["height"])]
        answers["segment"] = client.post("/segment", json={"raster": name, "window": window})
        if answers["segment"].status_code == 200:
            check_labels(client, name, path)
    for what, response in answers.items():
        assert response.status_code in (200, 204, 400, 415), f"{path} {what}: {response.get_data(as_text=True)[:300]}"


def check_labels(client, name: str, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            MemoryFile(client.get(f"/download?raster={name}").data) as memory,
            memory.open() as labels,
            rasterio.open(path) as source,
        ):
            assert (labels.width, labels.height) == (source.width, source.height), path
            assert labels.transform.almost_equals(source.transform), path
            assert (labels.crs is None) == (source.crs is None), path
            assert len(labels.gcps[0]) == len(source.gcps[0]), path
