"""What is told and drawn of a raster is what the file holds."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.routes.support import assert_error, upload


def draw(client, **body) -> np.ndarray:
    response = client.post("/preview_raster", json=body)
    assert response.status_code == 200, response.get_data(as_text=True)
    return np.asarray(Image.open(io.BytesIO(response.data)).convert("RGBA"))


@pytest.fixture
def ramps(make_raster):
    """Three bands that rise to the right, fall to the right, and stay the same; the first ten columns are nodata."""
    rise = np.tile(np.linspace(100, 4000, 100), (50, 1))
    bands = np.stack([rise, 4100 - rise, np.full_like(rise, 500)]).astype("uint16")
    bands[:, :, :10] = 0
    return make_raster("ramps.tif", bands, nodata=0)


def test_red_shows_the_band_asked_for(client, ramps):
    upload(client, ramps)
    forward, backward = draw(client, r=1, g=1, b=1), draw(client, r=2, g=2, b=2)
    assert forward[25, 90, 0] > forward[25, 20, 0]
    assert backward[25, 90, 0] < backward[25, 20, 0]
    mixed = draw(client, r=1, g=2, b=3)
    assert mixed[25, 90, 0] > 200 > 50 > mixed[25, 90, 1]


def test_nodata_is_transparent_and_does_not_touch_the_stretch(client, ramps):
    upload(client, ramps)
    picture = draw(client, r=1, g=1, b=1)
    assert picture[25, 5, 3] == 0
    assert picture[25, 50, 3] == 255
    assert picture[25, 12, 0] < 10
    assert picture[25, 99, 0] == 255


def test_twelve_bit_imagery_is_not_black(client, make_raster):
    upload(client, make_raster(bands=(np.random.default_rng(1).normal(1500, 200, (3, 60, 60))).astype("uint16")))
    assert 80 < draw(client)[..., :3].mean() < 180


def test_the_preview_is_as_small_as_asked(client, make_raster):
    upload(client, make_raster(size=(400, 200)))
    assert draw(client, max_size=100).shape[:2] == (50, 100)


def test_a_band_that_is_not_there(client, make_raster):
    upload(client, make_raster(bands=4))
    sentence = assert_error(client.post("/preview_raster", json={"r": 5, "g": 1, "b": 1}), 400, "bad_parameter", "r")
    assert "4" in sentence
    assert_error(client.get("/tiles/scene.tif/1/0/0.png?r=9&g=1&b=1"), 400, "bad_parameter", "r")


def test_metadata_is_strict_json(client, make_raster):
    values = np.full((1, 20, 20), np.nan, "float32")
    values[0, 3:6] = 7
    upload(client, make_raster(bands=values, nodata=float("nan")))
    text = client.get("/raster_meta").get_data(as_text=True)
    meta = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the metadata"))
    assert meta["bands"][0]["min"] == 7
    assert set(meta) >= {
        "raster", "width", "height", "band_count", "dtype", "driver", "crs", "transform", "bounds", "bounds_wgs84",
        "x_resolution", "y_resolution", "unit", "nodata", "georeferenced", "overviews", "block_size", "size_bytes",
        "side_files", "bands",
    }  # fmt: skip


def test_tiles_of_a_raster_without_crs_are_in_pixels(client, make_raster):
    upload(client, make_raster("plain.png", size=(600, 300), crs=None, driver="PNG"))
    tilejson = client.get("/tiles/plain.png/tilejson.json").get_json()
    assert tilejson["space"] == "pixel"
    assert (tilejson["width"], tilejson["height"]) == (600, 300)
    zoom = tilejson["maxzoom"]
    corner = client.get(f"/tiles/plain.png/{zoom}/2/1.png")
    picture = np.asarray(Image.open(io.BytesIO(corner.data)))
    assert picture.shape[:2] == (256, 256)
    assert picture[0, 0, 3] == 255
    assert picture[300 - 256, 0, 3] == 0
    assert client.get(f"/tiles/plain.png/{zoom}/3/0.png").status_code == 204
    known = client.get(f"/tiles/plain.png/{zoom}/2/1.png", headers={"If-None-Match": corner.headers["ETag"]})
    assert (known.status_code, known.data) == (304, b"")
