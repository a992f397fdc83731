"""`/segment` in class mode: who may ask for it, what it takes, and that its result is like any other."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rasterio.io import MemoryFile

from server.segmentation.class_mode.segmenting import ClassRequest
from server.segmentation.networks.cards import Card, write_card
from tests.routes.support import assert_error, upload
from tests.routes.test_segment import ASYNC, wait_for

SIDEWALKS = Card(
    name="sidewalks",
    file="sidewalks.safetensors",
    kind="embedded",
    base="embedded",
    class_name="sidewalk",
    parameters=4_000_000,
    input_size=512,
    licence="CC0-1.0",
    data="nothing",
    metrics={},
    note="For a test.",
)
CLASS_MODE = {"mode": "class", "checkpoint": "sidewalks"}


@pytest.fixture
def sidewalks(settings) -> str:
    """Put a fine-tuned checkpoint where the service looks, and return its name."""
    (settings.checkpoint_folder / SIDEWALKS.file).touch()  # the fake engine never opens it
    write_card(SIDEWALKS, settings.checkpoint_folder)
    return SIDEWALKS.name


def test_checkpoints_tell_their_class(sidewalks, client):
    classes = {item["name"]: item["class_name"] for item in client.get("/checkpoints").get_json()}
    assert classes.pop(sidewalks) == "sidewalk"
    assert set(classes.values()) == {None}


def test_the_class_becomes_labels_and_polygons(sidewalks, client, make_raster):
    upload(client, make_raster(size=(64, 48)))
    response = client.post("/segment", json={**CLASS_MODE, "out_raster": "walks.tif"})
    content = response.get_json()
    assert response.status_code == 200, content
    assert (content["mode"], content["class_name"], content["n_objects"]) == ("class", "sidewalk", 1)
    assert content["parameters"] == {"min_mask_region_area": 0}
    assert client.get("/rasters").get_json()["rasters"][0]["result"]["class_name"] == "sidewalk"
    with MemoryFile(client.get("/download").data) as memory, memory.open() as labels:
        expected = np.zeros((48, 64), np.int32)
        expected[:, :32] = 1
        np.testing.assert_array_equal(labels.read(1), expected)
    feature = json.loads(client.get("/download?format=geojson").data)["features"][0]
    assert feature["properties"]["class"] == "sidewalk"
    assert "sidewalks" in feature["properties"]["source"]
    found = client.get("/object?x=3.5&y=3.5&space=pixel").get_json()["feature"]
    assert found["properties"]["class"] == "sidewalk"
    assert client.get("/preview_mask").status_code == 200


def test_what_has_a_meaning_reaches_the_engine(sidewalks, client, make_raster, fake_engine):
    upload(client, make_raster(bands=4))
    west, south, east, north = client.get("/raster_meta").get_json()["bounds_wgs84"]
    area = {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, south]]]}
    chosen = {"rgb_index": [4, 3, 2], "area": area, "resolution_m": 2.5, "full_cover": False}
    response = client.post(
        "/segment", json={**CLASS_MODE, **chosen, "window": [8, 4, 40, 32], "min_mask_region_area": 9}
    )
    assert response.status_code == 200, response.get_json()
    assert {name: response.get_json()[name] for name in chosen} == chosen
    request = fake_engine.requests[0]
    assert isinstance(request, ClassRequest)
    assert (request.band_indexes, request.checkpoint, request.class_name) == ((4, 3, 2), "sidewalks", "sidewalk")
    assert tuple(request.window) == (8, 4, 40, 32)
    assert (request.area, request.resolution_m, request.min_mask_region_area) == (area, 2.5, 9)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"points_per_side": 32}, "points_per_side"),
        ({"min_mask_region_area": 5, "pred_iou_thresh": 0.5}, "pred_iou_thresh"),
        ({"full_cover": True}, "full_cover"),
    ],
)
def test_what_only_clicks_could_obey_is_refused(sidewalks, client, make_raster, body, field):
    upload(client, make_raster())
    sentence = assert_error(client.post("/segment", json={**CLASS_MODE, **body}), 400, "bad_parameter", field)
    assert "has no meaning in mode" in sentence
    assert client.get("/jobs").get_json()["jobs"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "Class"}, "mode"),
        ({"mode": None}, "mode"),
        ({"min_mask_region_area": -1}, "min_mask_region_area"),
        ({"unknown": 1}, "unknown"),
        ({"window": [0, 0, 0, 5]}, "window"),
    ],
)
def test_a_bad_value_names_its_field(sidewalks, client, make_raster, body, field):
    upload(client, make_raster())
    assert_error(client.post("/segment", json={**CLASS_MODE, **body}), 400, "bad_parameter", field)


@pytest.mark.parametrize("asked", [{"checkpoint": "embedded"}, {}])
def test_a_checkpoint_without_a_class_is_refused_naming_those_with_one(sidewalks, client, make_raster, asked):
    upload(client, make_raster())
    response = client.post("/segment", json={"mode": "class", **asked})
    sentence = assert_error(response, 400, "bad_parameter", "checkpoint")
    assert '"embedded" was not fine-tuned for a class' in sentence
    assert "sidewalks" in sentence


def test_everything_stays_the_mode_where_none_is_named(sidewalks, client, make_raster, fake_engine):
    upload(client, make_raster(size=(64, 48)))
    content = client.post("/segment", json={"checkpoint": sidewalks, "points_per_side": 8}).get_json()
    assert (content["mode"], content["class_name"], content["n_objects"]) == ("everything", None, 4)
    assert fake_engine.requests[0].settings.points_per_side == 8


def test_a_class_job_is_cancelled_like_others(sidewalks, client, make_raster, fake_engine):
    upload(client, make_raster())
    fake_engine.hold()
    job = client.post("/segment", json=CLASS_MODE, headers=ASYNC).get_json()["job"]
    assert wait_for(client, job, "running")["kind"] == "segment"
    assert client.delete(f"/jobs/{job}").status_code == 200
    wait_for(client, job, "cancelled")
    assert_error(client.get("/download"), 409, "wrong_moment", "raster")
