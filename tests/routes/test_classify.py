"""`/classify` and `/vocabulary`: classes by example become raster, polygons and areas; words say what they need."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from PIL import Image
from pyproj import CRS
from rasterio.io import MemoryFile

from server.app import create_app, find_background
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.settings import make_settings
from server.vocabulary import by_example, classifying, clip  # noqa: F401 - loaded before an answer is waited for
from tests.routes.support import TOKEN, BufferedClient, assert_error, upload, with_token
from tests.routes.test_segment import ASYNC, wait_for

COLOURS = {"meadow": (40, 200, 60), "sand": (230, 190, 90), "water": (30, 60, 200)}
CLASSES = [{"name": name} for name in COLOURS]
POINTS = {"meadow": [[10, 10]], "sand": [[40, 12], [44, 20]], "water": [[80.5, 30]]}
EXAMPLES = [{"class": name, "points": points} for name, points in POINTS.items()]
BODY = {"classes": CLASSES, "examples": EXAMPLES}
SIZE = (96, 48)


@pytest.fixture
def stripes(make_raster):
    """Three stripes of 32 columns, one of each class, on Earth with pixels of half a metre."""
    bands = np.zeros((3, SIZE[1], SIZE[0]), np.uint8)
    for number, colour in enumerate(COLOURS.values()):
        bands[:, :, 32 * number : 32 * (number + 1)] = np.array(colour, np.uint8)[:, None, None]
    return make_raster(bands=bands)


@pytest.fixture
def uploaded(client, stripes):
    upload(client, stripes)
    return client


def read_tif(client, query="") -> tuple[np.ndarray, dict, dict]:
    with MemoryFile(client.get(f"/download{query}").data) as memory, memory.open() as raster:
        return raster.read(1), raster.colormap(1), raster.tags()


def test_examples_become_classes_polygons_and_areas(uploaded):
    response = uploaded.post("/classify", json={**BODY, "out_raster": "cover.tif"})
    content = response.get_json()
    assert response.status_code == 200, content
    assert (content["kind"], content["mode"], content["prompt"], content["n_objects"]) == (
        "classify",
        "classes",
        "examples",
        3,
    )
    assert [item["name"] for item in content["classes"]] == list(COLOURS)
    assert sum(item["n_pixels"] for item in content["classes"]) == SIZE[0] * SIZE[1]
    for item in content["classes"]:
        assert item["n_pixels"] == pytest.approx(SIZE[0] * SIZE[1] / 3, rel=0.25)
        assert item["area_m2"] == pytest.approx(item["n_pixels"] * 0.25, rel=0.01)
        assert item["share"] == pytest.approx(item["n_pixels"] / (SIZE[0] * SIZE[1]))
    values, colours, tags = read_tif(uploaded)
    expected = np.repeat([1, 2, 3], 32)[None].repeat(SIZE[1], axis=0)
    assert (values == expected).mean() > 0.85
    assert json.loads(tags["CLASSES"]) == {"1": "meadow", "2": "sand", "3": "water"}
    shown = [f"#{bytes(colours[item['id']][:3]).hex()}" for item in content["classes"]]
    assert shown == [item["color"] for item in content["classes"]]
    assert "cover.tif" in uploaded.get("/download").headers["Content-Disposition"]
    features = json.loads(uploaded.get("/download?format=geojson").data)["features"]
    assert [item["properties"]["class"] for item in features] == list(COLOURS)
    assert all(0.3 < item["properties"]["predicted_iou"] <= 1 for item in features)
    assert uploaded.get("/rasters").get_json()["rasters"][0]["result"]["classes"] == content["classes"]


def test_the_classes_are_shown_in_their_colours_and_found_by_a_click(uploaded):
    sent = [
        {**item, "color": f"#{bytes(colour).hex()}"} for item, colour in zip(CLASSES, COLOURS.values(), strict=True)
    ]
    uploaded.post("/classify", json={**BODY, "classes": sent, "logit_scale": 1.0})
    picture = np.asarray(Image.open(io.BytesIO(uploaded.get("/preview_mask?alpha=1").data)))
    for col, colour in zip((8, 48, 88), COLOURS.values(), strict=True):
        assert tuple(picture[20, col]) == (*colour, 255)
    none = np.asarray(Image.open(io.BytesIO(uploaded.get("/preview_mask?min_probability=0.95").data)))
    assert (none[..., 3] == 0).all(), "with so low a scale nothing is certain"
    some = np.asarray(Image.open(io.BytesIO(uploaded.get("/preview_mask?alpha=1&hidden=1,3").data)))
    assert [int(some[20, col, 3]) for col in (8, 48, 88)] == [0, 255, 0]
    assert_error(uploaded.get("/preview_mask?hidden=1;2"), 400, "bad_parameter", "hidden")
    found = uploaded.get("/object?x=70&y=3&space=pixel").get_json()["feature"]
    assert found["properties"]["class"] == "water"


def test_map_tiles_leave_out_what_is_not_likely(uploaded):
    uploaded.post("/classify", json={**BODY, "logit_scale": 1.0})
    document = uploaded.get("/tiles/scene.tif/tilejson.json").get_json()
    west, south, east, north = document["bounds"]
    zoom = document["maxzoom"]
    x = int(((west + east) / 2 + 180) / 360 * 2**zoom)
    mercator = np.arcsinh(np.tan(np.radians((south + north) / 2)))
    y = int((1 - mercator / np.pi) / 2 * 2**zoom)
    path = f"/mask_tiles/scene.tif/{zoom}/{x}/{y}.png"
    assert uploaded.get(path).status_code == 200
    assert uploaded.get(f"{path}?min_probability=0.2").status_code == 200
    assert uploaded.get(f"{path}?min_probability=0.95").status_code == 204
    assert_error(uploaded.get(f"{path}?min_probability=2"), 400, "bad_parameter", "min_probability")


def test_objects_of_the_annotation_layer_are_examples(uploaded, fake_engine):
    square = {"type": "Polygon", "coordinates": [[[68, 4], [90, 4], [90, 40], [68, 40], [68, 4]]]}
    west, south, east, north = uploaded.get("/raster_meta").get_json()["bounds_wgs84"]
    on_map = [
        [west + (east - west) * x / SIZE[0], north - (north - south) * y / SIZE[1]] for x, y in square["coordinates"][0]
    ]
    added = {"geometry": {"type": "Polygon", "coordinates": [on_map]}, "class": "water", "source": "drawn"}
    assert uploaded.post("/annotations", json={"add": [added]}).status_code == 200
    examples = [*EXAMPLES[:2], {"class": "water", "annotations": True}]
    content = uploaded.post("/classify", json={**BODY, "examples": examples}).get_json()
    assert content["classes"][2]["n_pixels"] > 1000, content
    number, outline = fake_engine.requests[0].examples[-1]
    assert (number, outline.geom_type) == (2, "MultiPolygon")
    assert outline.area == pytest.approx(22 * 36, rel=0.05)


def test_clicks_may_be_in_degrees(uploaded, fake_engine):
    west, south, east, north = uploaded.get("/raster_meta").get_json()["bounds_wgs84"]
    examples = [
        {"class": name, "points": [[west + (east - west) * share, (south + north) / 2]]}
        for name, share in zip(COLOURS, (0.15, 0.5, 0.85), strict=True)
    ]
    content = uploaded.post("/classify", json={"classes": CLASSES, "examples": examples, "space": "map"}).get_json()
    assert content["n_objects"] == 3, content
    (_, point), *_ = fake_engine.requests[0].examples
    assert point.x == pytest.approx(0.15 * SIZE[0], abs=1.5)


def test_what_is_chosen_reaches_the_engine(uploaded, fake_engine):
    chosen = {
        "window": [4, 4, 80, 40],
        "rgb_index": [3, 2, 1],
        "background_threshold": 0.2,
        "background": "sand",
        "logit_scale": 20.0,
        "global_bias": 0.1,
        "min_area_px": 7,
    }
    content = uploaded.post("/classify", json={**BODY, **chosen}).get_json()
    request = fake_engine.requests[0]
    assert tuple(request.window) == (4, 4, 80, 40)
    assert request.band_indexes == (3, 2, 1)
    assert (request.knobs.background_threshold, request.knobs.background) == (0.2, "sand")
    assert request.knobs.min_area_px == content["parameters"]["min_area_px"] == 7
    assert sum(item["n_pixels"] for item in content["classes"]) == 80 * 40
    assert (read_tif(uploaded)[0] > 0).sum() == 80 * 40


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"classes": []}, "classes", ""),
        ({"classes": [{"name": "a"}, {"name": "a"}]}, "classes", "given twice"),
        ({"examples": EXAMPLES[:2]}, "examples", "No example was given of: water"),
        ({"examples": [{"class": "road", "points": [[1, 1]]}]}, "examples", "the classes are meadow, sand, water"),
        ({"examples": [{"class": "sand", "points": [[96, 1]]}]}, "examples", "points[0] 96, 1 is not on the raster"),
        ({"examples": [{"class": "sand", "annotations": True}]}, "examples", "has no object of class"),
        ({"background_threshold": 0.5}, "background", 'No class is called "background"'),
        ({"background_threshold": 1.5}, "background_threshold", ""),
        ({"min_area_px": -1}, "min_area_px", ""),
        ({"window": [0, 0, 97, 5]}, "window", "does not lie inside"),
        ({"out_raster": "../x.tif"}, "out_raster", ""),
        ({"model": "ViT-B-16"}, "model", "has no meaning"),
        ({"prompt": "text"}, "examples", "has no meaning"),
        ({"prompt": "words"}, "prompt", ""),
        ({"unknown": 1}, "unknown", "Unknown field"),
        ({"checkpoint": "none"}, "checkpoint", "No checkpoint"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_job_waits(uploaded, change, field, said):
    sentence = assert_error(uploaded.post("/classify", json={**BODY, **change}), 400, "bad_parameter", field)
    assert said in sentence
    assert uploaded.get("/jobs").get_json()["jobs"] == []


def test_words_without_clip_say_how_to_get_it(uploaded, settings):
    response = uploaded.post("/classify", json={"classes": CLASSES, "prompt": "text"})
    sentence = assert_error(response, 503, "checkpoint_missing", "model")
    assert "huggingface.co" in sentence
    assert "ckpt/clip/ViT-B-16-openai.safetensors" in sentence
    assert str(settings.checkpoint_folder) not in sentence
    content = uploaded.get("/vocabulary").get_json()
    assert (content["text_available"], content["text_models"], content["how"]) == (False, [], sentence)


def test_presets_and_models_are_listed(uploaded, settings):
    (settings.checkpoint_folder / "clip").mkdir()
    (settings.checkpoint_folder / "clip" / "ViT-L-14-openai.safetensors").touch()
    content = uploaded.get("/vocabulary").get_json()
    assert (content["text_available"], content["how"]) == (True, None)
    assert content["text_models"] == ["ViT-L-14-openai"]
    presets = {item["name"]: item for item in content["presets"]}
    assert {"openearthmap", "loveda", "potsdam", "isaid"} <= set(presets)
    assert presets["potsdam"]["background"] == "clutter"
    assert presets["loveda"]["classes"][1] == {"name": "building", "synonyms": ["roof", "house"]}


def test_a_classification_is_cancelled_like_others(uploaded, fake_engine):
    fake_engine.hold()
    job = uploaded.post("/classify", json=BODY, headers=ASYNC).get_json()["job"]
    assert wait_for(uploaded, job, "running")["kind"] == "classify"
    assert uploaded.delete(f"/jobs/{job}").status_code == 200
    wait_for(uploaded, job, "cancelled")
    assert_error(uploaded.get("/download"), 409, "wrong_moment", "raster")


def test_a_world_file_that_comes_late_moves_the_classes_too(client, make_raster, tmp_path):
    bands = np.full((3, 48, 96), 200, np.uint8)
    bands[:, :, :48] = np.array([20, 60, 30], np.uint8)[:, None, None]
    upload(client, make_raster("late.tif", bands, crs=None))
    examples = [{"class": "dark", "points": [[10, 10]]}, {"class": "light", "points": [[90, 40]]}]
    client.post("/classify", json={"classes": [{"name": "dark"}, {"name": "light"}], "examples": examples})
    before, colours, _ = read_tif(client)
    assert client.get("/rasters").get_json()["rasters"][0]["result"]["classes"][0]["area_m2"] is None
    side_files = {"late.tfw": "0.5\n0\n0\n-0.5\n500000\n4400000\n", "late.prj": CRS.from_epsg(32650).to_wkt()}
    for name, content in side_files.items():
        (tmp_path / name).write_text(content)
        assert upload(client, tmp_path / name, route="/upload_cfg").status_code == 200
    after, moved_colours, _ = read_tif(client)
    np.testing.assert_array_equal(after, before)
    assert moved_colours == colours
    classes = client.get("/rasters").get_json()["rasters"][0]["result"]["classes"]
    assert classes[0]["area_m2"] == pytest.approx(classes[0]["n_pixels"] * 0.25, rel=0.01)


def test_a_segmentation_takes_the_place_of_classes(uploaded):
    uploaded.post("/classify", json=BODY)
    uploaded.post("/segment", json={"points_per_side": 4})
    with MemoryFile(uploaded.get("/download").data) as memory, memory.open() as labels:
        assert labels.dtypes == ("int32",)


def test_small_areas_are_no_objects(uploaded, make_raster):
    bands = np.full((3, 48, 96), 200, np.uint8)
    bands[:, :, :48] = np.array([20, 60, 30], np.uint8)[:, None, None]
    bands[:, 12:36, 58:82] = np.array([20, 60, 30], np.uint8)[:, None, None]
    upload(uploaded, make_raster(bands=bands), "speck.tif")
    classes = [{"name": "dark"}, {"name": "light"}]
    examples = [{"class": "dark", "points": [[10, 10]]}, {"class": "light", "points": [[90, 40]]}]
    counts = []
    for least in (0, 1500):
        body = {"raster": "speck.tif", "classes": classes, "examples": examples, "min_area_px": least}
        content = uploaded.post("/classify", json=body).get_json()
        counts.append((content["n_objects"], content["classes"][0]["n_pixels"]))
    assert [n for n, _ in counts] == [3, 2]
    assert counts[0][1] == counts[1][1] > 48 * 50, "the class raster keeps what is too small for an object"
    target = uploaded.get("/download?format=gpkg&raster=speck.tif").data
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(target)
        assert sorted(connection.execute("SELECT id, class FROM objects")) == [(1, "dark"), (2, "light")]


def test_the_embedded_checkpoint_tells_textures_apart(stripes, tmp_path):
    """The whole way, without any stand-in: upload, classify by clicks, download."""
    settings = make_settings(
        {
            "cache_folder": str(tmp_path / "cache"),
            "api_tokens": [TOKEN],
            "segment_wait_s": 60,
            "checkpoint_folder": str(CHECKPOINT_FOLDER),
            "device": "cpu",
        },
        tmp_path,
    )
    app = create_app(settings)
    app.test_client_class = BufferedClient
    find_background(app).start()
    try:
        client = with_token(app)
        upload(client, stripes)
        content = client.post("/classify", json=BODY).get_json()
        assert content.get("state") == "done", content
        with MemoryFile(client.get("/download").data) as memory, memory.open() as raster:
            values = raster.read(1)
        expected = np.repeat([1, 2, 3], 32)[None].repeat(SIZE[1], axis=0)
        assert (values == expected).mean() > 0.7
        assert {item["class"] for item in _properties(client)} == set(COLOURS)
    finally:
        find_background(app).stop(5)


def _properties(client) -> list[dict]:
    return [item["properties"] for item in json.loads(client.get("/download?format=geojson").data)["features"]]
