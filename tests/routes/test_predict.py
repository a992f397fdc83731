"""`/predict` over HTTP: the contract's answer, every refusal, and no client on another's mask."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from server.clients.sessions import Client
from server.routes import guards
from server.segmentation.prompting.prompts import MAX_POINTS
from tests.routes.support import assert_error, upload, with_token
from tests.segmentation.prompting.bright_areas import draw_spots

SPOT = (20, 10, 12, 8)
CLICK = [25, 14, 1]


@pytest.fixture
def scene(client, make_raster):
    """Upload a raster with one bright spot."""
    upload(client, make_raster(bands=draw_spots((64, 48), SPOT)))
    return client


def predict(client, **body):
    return client.post("/predict", json=body)


def test_the_answer_is_that_of_the_contract(scene):
    response = predict(scene, points=[CLICK], multimask=False)
    assert response.status_code == 200, response.get_json()
    (mask,) = response.get_json()["masks"]
    assert set(mask) >= {"id", "predicted_iou", "area_px", "feature"}
    assert mask["area_px"] == 96
    assert mask["area_m2"] == pytest.approx(24, rel=0.01)
    assert mask["feature"]["type"] == "Feature"
    (ring,) = mask["feature"]["geometry"]["coordinates"]
    west, south, east, north = scene.get("/raster_meta").get_json()["bounds_wgs84"]
    assert all(west < lon < east and south < lat < north for lon, lat in ring)


def test_masks_are_best_first_and_one_where_one_is_asked(scene):
    masks = predict(scene, points=[CLICK]).get_json()["masks"]
    assert len(masks) == 2
    assert masks[0]["predicted_iou"] > masks[1]["predicted_iou"]
    assert len(predict(scene, points=[CLICK], multimask=False).get_json()["masks"]) == 1


def test_without_a_crs_the_outline_is_in_pixels(client, make_raster):
    upload(client, make_raster(bands=draw_spots((64, 48), SPOT), crs=None))
    for space in ("pixel", "map"):
        (mask,) = predict(client, points=[CLICK], multimask=False, space=space).get_json()["masks"]
        corners = np.array(mask["feature"]["geometry"]["coordinates"][0])
        assert corners.min(axis=0).tolist() == [20, 10]
        assert corners.max(axis=0).tolist() == [32, 18]
        assert mask["area_m2"] is None


def test_points_and_boxes_on_the_map(scene):
    west, south, east, north = scene.get("/raster_meta").get_json()["bounds_wgs84"]
    lon, lat = west + (east - west) * 26 / 64, north - (north - south) * 14 / 48
    for prompt in ({"points": [[lon, lat, 1]]}, {"box": [west, south, east, north]}):
        (mask,) = predict(scene, **prompt, space="map", multimask=False).get_json()["masks"]
        assert mask["area_px"] == 96


def test_raster_bands_and_checkpoint_reach_the_engine(client, make_raster, fake_engine):
    upload(client, make_raster("first.tif", bands=4))
    upload(client, make_raster("second.tif"))
    chosen = {"raster": "first.tif", "rgb_index": [4, 3, 2], "checkpoint": "embedded"}
    assert predict(client, points=[CLICK], **chosen).status_code == 200
    assert predict(client, points=[CLICK]).status_code == 200
    first, second = fake_engine.asked
    assert first.band_indexes == (4, 3, 2)
    assert first.owner.checkpoint == "embedded"
    assert first.owner.raster != second.owner.raster
    assert first.owner.client == second.owner.client


def test_a_mask_is_corrected(client, make_raster):
    upload(client, make_raster(bands=draw_spots((64, 48), SPOT, (40, 30, 10, 10))))
    both = predict(client, points=[CLICK, [45, 35, 1]], multimask=False).get_json()["masks"][0]
    assert both["area_px"] == 196
    one = predict(client, points=[[45, 35, 0]], previous=both["id"], multimask=False).get_json()["masks"][0]
    assert one["area_px"] == 96


def test_a_preview_has_no_id(scene):
    preview = predict(scene, points=[CLICK], keep=False).get_json()["masks"]
    assert [mask["id"] for mask in preview] == [None] * len(preview) != []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "points"),
        ({"points": []}, "points"),
        ({"points": [[1, 1]]}, "points"),
        ({"points": [[1, 1, 2]]}, "points"),
        ({"points": [["1", 1, 1]]}, "points"),
        ({"points": [[1, 1, 0]]}, "points"),
        ({"points": [[64, 1, 1]]}, "points"),
        ({"points": [[-1, 1, 1]]}, "points"),
        ({"points": [[1e308, 1, 1]]}, "points"),
        ({"points": [[181, 95, 1]], "space": "map"}, "points"),
        ({"points": [CLICK] * (MAX_POINTS + 1)}, "points"),
        ({"box": [1, 1, 1, 9]}, "box"),
        ({"box": [1, 1, 9]}, "box"),
        ({"box": [100, 100, 200, 200]}, "box"),
        ({"points": [CLICK], "previous": "unknown"}, "previous"),
        ({"points": [CLICK], "previous": 7}, "previous"),
        ({"points": [CLICK], "multimask": "yes"}, "multimask"),
        ({"points": [CLICK], "space": "screen"}, "space"),
        ({"points": [CLICK], "rgb_index": [1, 2, 9]}, "rgb_index"),
        ({"points": [CLICK], "checkpoint": "nothing"}, "checkpoint"),
        ({"points": [CLICK], "colour": "red"}, "colour"),
    ],
)
def test_bad_values_name_their_field(scene, body, field):
    assert_error(scene.post("/predict", json=body), 400, "bad_parameter", field)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(scene, number):
    for field, content in (("points", f"[[{number}, 1, 1]]"), ("box", f"[0, 0, {number}, 9]")):
        response = scene.post("/predict", data=f'{{"{field}": {content}}}', content_type="application/json")
        assert_error(response, 400, "bad_parameter", field)


def test_a_checkpoint_that_is_not_here_answers_503(scene):
    assert_error(predict(scene, points=[CLICK], checkpoint="vit_h"), 503, "checkpoint_missing", "checkpoint")


def test_no_raster_answers_404(client):
    assert_error(predict(client, points=[CLICK]), 404, "no_such_raster", "raster")
    assert_error(predict(client, points=[CLICK], raster="other.tif"), 404, "no_such_raster", "raster")


def test_strangers_are_refused(app):
    assert_error(predict(app.test_client(), points=[CLICK]), 403, "not_human")


def test_nobody_goes_on_from_the_mask_of_another_client(scene, make_raster, monkeypatch):
    mask = predict(scene, points=[CLICK]).get_json()["masks"][0]
    assert predict(scene, points=[CLICK], previous=mask["id"]).status_code == 200
    store = scene.application.extensions["segment_anything_rs"].clients
    stranger: Client = store.issue()
    store.mark_human(stranger.id)
    monkeypatch.setattr(guards, "_client_of_token", lambda _header: store.find(stranger.id))
    upload(scene, make_raster(bands=draw_spots((64, 48), SPOT)))
    assert predict(scene, points=[CLICK]).status_code == 200
    message = assert_error(predict(scene, points=[CLICK], previous=mask["id"]), 400, "bad_parameter", "previous")
    assert 'Leave "previous" out' in message


def test_a_mask_does_not_outlive_its_raster(scene, make_raster):
    mask = predict(scene, points=[CLICK]).get_json()["masks"][0]
    upload(scene, make_raster(bands=draw_spots((64, 48), SPOT)))  # the same name again
    assert_error(predict(scene, points=[CLICK], previous=mask["id"]), 400, "bad_parameter", "previous")


def test_clicks_fall_under_the_interactive_limit(start_app, settings, make_raster):
    app = start_app(dataclasses.replace(settings, ip_access_limit="1 per minute", interactive_access_limit="3/minute"))
    client = with_token(app)
    upload(client, make_raster(bands=draw_spots((64, 48), SPOT)))
    assert [predict(client, points=[CLICK]).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_the_service_starts_without_torch(tmp_path):
    code = (
        "import sys; from server.app import create_app; from server.settings import make_settings\n"
        "from pathlib import Path\n"
        f"app = create_app(make_settings({json.dumps({'cache_folder': str(tmp_path / 'cache')})}, Path('.')))\n"
        "assert app.test_client().get('/openapi.json').status_code == 200\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
