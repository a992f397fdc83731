"""Many prompts over HTTP: one job, one undoable step, files as boxes and points."""

from __future__ import annotations

import dataclasses
import json

import pyogrio.raw
import pytest
import shapely
from pyproj import Transformer

from server.app import find_background
from tests.routes.support import assert_error, upload, with_token
from tests.routes.test_segment import wait_for
from tests.segmentation.prompting.bright_areas import draw_spots

SPOTS = [(5, 5, 10, 8), (30, 5, 8, 8), (12, 28, 20, 12)]
CLICKS = [[col + 3, row + 3] for col, row, _, _ in SPOTS]
BOXES = [[col - 1, row - 1, col + width + 1, row + height + 1] for col, row, width, height in SPOTS]
LATER = {"Prefer": "respond-async"}


@pytest.fixture
def plain(client, make_raster):
    """A client with a raster of three bright rectangles, without a CRS."""
    upload(client, make_raster(bands=draw_spots((64, 48), *SPOTS), crs=None))
    return client


def ask(client, prompts: list[dict], **body):
    return client.post("/annotations/prompts", json={"prompts": prompts, **body})


def points(*places: list[float]) -> list[dict]:
    return [{"point": place} for place in places]


def read(client) -> dict:
    return client.get("/annotations").get_json()


def outlines(layer: dict) -> list[shapely.Geometry]:
    return [shapely.geometry.shape(item["geometry"]) for item in layer["objects"]]


def write_geojson(folder, *geometries: shapely.Geometry, **columns: list):
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(geometry),
            "properties": {name: values[number] for name, values in columns.items()},
        }
        for number, geometry in enumerate(geometries)
    ]
    path = folder / "sent.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_all_objects_come_in_one_step(plain):
    answer = ask(plain, [*points(*CLICKS[:2]), {"box": BOXES[2]}], **{"class": "roof"})
    told = answer.get_json()
    assert answer.status_code == 200, told
    assert (told["kind"], told["state"], told["raster"]) == ("prompts", "done", "scene.tif")
    counts = {name: told[name] for name in ("n_prompts", "n_objects", "n_empty", "n_duplicates")}
    assert counts == {"n_prompts": 3, "n_objects": 3, "n_empty": 0, "n_duplicates": 0}
    layer = read(plain)
    assert (layer["undo"], layer["revision"]) == ("prompts", told["revision"])
    assert [item["id"] for item in layer["objects"]] == told["added"]
    properties = layer["objects"][0]["properties"]
    assert (properties["source"], properties["class"], properties["checkpoint"]) == ("prompt", "roof", "embedded")
    assert properties["predicted_iou"] == 0.9
    for outline, (col, row, width, height) in zip(outlines(layer), SPOTS, strict=True):
        assert outline.equals(shapely.box(col, row, col + width, row + height))
    plain.post("/annotations/undo", json={})
    assert read(plain)["objects"] == []


def test_empty_and_double_prompts_are_counted(plain):
    told = ask(plain, [*points(CLICKS[0], [6, 6]), {"box": [50, 20, 60, 40]}]).get_json()
    assert (told["n_objects"], told["n_empty"], told["n_duplicates"]) == (1, 1, 1)
    assert ask(plain, points(CLICKS[0])).get_json()["added"] == []


def test_places_on_the_map(client, make_raster):
    upload(client, make_raster(bands=draw_spots((64, 48), *SPOTS)))
    to_lonlat = Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True)
    x, y = CLICKS[2]
    place = list(to_lonlat.transform(500_000 + 0.5 * x, 4_400_000 - 0.5 * y))
    assert ask(client, points(place), space="map").get_json()["n_objects"] == 1
    assert read(client)["objects"][0]["properties"]["area_px"] == 20 * 12
    message = assert_error(ask(client, points(place, [0, 0]), space="map"), 400, "bad_parameter", "prompts")
    assert message.startswith("prompts[1]: ")


def test_bands_and_checkpoint_reach_the_engine(plain, fake_engine):
    ask(plain, points(CLICKS[0]), rgb_index=[3, 1, 2])
    assert fake_engine.requests[-1].band_indexes == (3, 1, 2)
    assert_error(ask(plain, points(CLICKS[0]), rgb_index=[3, 1, 9]), 400, "bad_parameter", "rgb_index")
    assert_error(ask(plain, points(CLICKS[0]), checkpoint="none"), 400, "bad_parameter", "checkpoint")


@pytest.mark.parametrize(
    ("prompts", "place"),
    [
        ([], "prompts"),
        (points([5, 5]) * 5001, "prompts"),
        (points([5, 5], [64, 5]), "prompts[1]"),
        ([*points([5, 5]), {"box": [5, 5, 5, 9]}], "prompts[1]"),
        ([*points([5, 5]), {}], "prompts[1]"),
        ([{"point": [5, 5], "box": [1, 1, 9, 9]}], "prompts[0]"),
        (points([5, 5], [5, "6"]), "prompts[1].point[1]"),
        (points([5, 5], [5]), "prompts[1].point"),
        ([{"box": [1, 2, 3]}], "prompts[0].box"),
        ([{"point": [5, 5], "label": 1}], "prompts[0].label"),
    ],
)
def test_bad_prompts_are_named(plain, prompts, place):
    message = assert_error(ask(plain, prompts), 400, "bad_parameter", "prompts")
    assert f'"{place}"' in message or message.startswith(f"{place}: ")
    assert read(plain)["revision"] == 0


def test_numbers_that_are_none_are_refused(plain):
    body = '{"prompts": [{"point": [5, 5]}, {"point": [NaN, 5]}]}'
    response = plain.post("/annotations/prompts", data=body, content_type="application/json")
    assert "prompts[1].point[0]" in assert_error(response, 400, "bad_parameter", "prompts")


def test_what_cannot_fit_is_refused_before_the_work(plain, fake_engine):
    table = [{"id": number, "name": f"class {number}", "color": "#123456"} for number in range(1, 256)]
    plain.post("/annotations", json={"classes": table})
    response = ask(plain, points(CLICKS[0]), **{"class": "one more"})
    assert "256 classes" in assert_error(response, 400, "bad_parameter", "class")
    assert ask(plain, points(CLICKS[0]), **{"class": "class 7"}).status_code == 200
    assert len(fake_engine.requests) == 1


def test_a_cancelled_job_adds_nothing(plain, fake_engine):
    fake_engine.hold()
    job = plain.post("/annotations/prompts", json={"prompts": points(*CLICKS)}, headers=LATER).get_json()["job"]
    wait_for(plain, job, "running")
    plain.delete(f"/jobs/{job}")
    fake_engine.release()
    assert wait_for(plain, job, "cancelled", "done")["state"] == "cancelled"
    assert read(plain)["revision"] == 0


def test_a_waiting_job_survives_a_restart(start_app, settings, fake_engine, make_raster):
    fake_engine.hold()
    first = with_token(start_app(dataclasses.replace(settings, job_workers=1)))
    upload(first, make_raster(bands=draw_spots((64, 48), *SPOTS), crs=None))
    job = first.post("/annotations/prompts", json={"prompts": points(*CLICKS)}, headers=LATER).get_json()["job"]
    find_background(first.application).queue.stop(5)
    fake_engine.release()
    again = with_token(start_app(settings))
    assert wait_for(again, job, "done")["result"]["n_objects"] == 3
    assert len(read(again)["objects"]) == 3


def test_a_file_becomes_boxes(plain, tmp_path):
    path = write_geojson(tmp_path, *(shapely.box(*box) for box in BOXES), label=["roof", "roof", "pool"])
    answer = upload(plain, path, route="/annotations/import?as=boxes")
    told = answer.get_json()
    assert answer.status_code == 200, told
    assert (told["kind"], told["n_objects"]) == ("prompts", 3)
    assert any('"label"' in note for note in told["notes"])
    layer = read(plain)
    assert [item["properties"]["class"] for item in layer["objects"]] == ["roof", "roof", "pool"]
    assert outlines(layer)[0].equals(shapely.box(5, 5, 15, 13))
    assert layer["undo"] == "prompts"


def test_a_file_becomes_points(plain, tmp_path):
    triangle = shapely.Polygon([(12, 28), (31, 28), (12, 39)])
    twice = shapely.MultiPoint([CLICKS[1], [200, 5]])
    path = write_geojson(tmp_path, shapely.Point(CLICKS[0]), triangle, twice, name=["a", "b", "c"])
    told = upload(plain, path, route="/annotations/import?as=points").get_json()
    assert (told["n_prompts"], told["n_objects"]) == (3, 3)
    assert "Left out, because they lie outside the raster: 1." in told["notes"]
    layer = read(plain)
    assert [item["properties"]["class"] for item in layer["objects"]] == ["a", "b", "c"]
    assert [outline.area for outline in outlines(layer)] == [80, 240, 64]


def test_points_of_another_crs_are_reprojected_and_say_so(client, make_raster, tmp_path):
    upload(client, make_raster(bands=draw_spots((64, 48), *SPOTS)))
    to_other = Transformer.from_crs("EPSG:32650", "EPSG:3857", always_xy=True)
    sent = [shapely.Point(to_other.transform(500_000 + 0.5 * x, 4_400_000 - 0.5 * y)) for x, y in CLICKS]
    path = tmp_path / "points.gpkg"
    pyogrio.raw.write(
        path, shapely.to_wkb(sent), [], [], geometry_type="Point", crs="EPSG:3857", driver="GPKG", layer="clicks"
    )
    told = upload(client, path, route="/annotations/import?as=points").get_json()
    assert told["n_objects"] == 3
    assert any("3857" in note and "reprojected" in note for note in told["notes"])
    message = assert_error(upload(client, path, route="/annotations/import?as=boxes"), 400, "bad_parameter", "file")
    assert "points" in message


def test_files_with_too_many_outlines_or_none_are_refused(plain, tmp_path):
    many = write_geojson(tmp_path, *[shapely.Point(5, 5)] * 5001)
    assert "5,001" in assert_error(
        upload(plain, many, route="/annotations/import?as=points"), 400, "bad_parameter", "file"
    )
    outside = write_geojson(tmp_path, shapely.box(100, 100, 120, 120))
    for kind in ("boxes", "points"):
        assert_error(upload(plain, outside, route=f"/annotations/import?as={kind}"), 400, "bad_parameter", "file")
    assert_error(upload(plain, outside, route="/annotations/import?as=lines"), 400, "bad_parameter", "as")


def test_it_falls_under_the_rate_of_costly_routes(start_app, settings, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, ip_access_limit="2 per minute")))
    upload(client, make_raster(bands=draw_spots((64, 48), *SPOTS), crs=None))
    assert ask(client, points(CLICKS[0])).status_code == 200
    assert ask(client, points(CLICKS[1])).status_code == 429


def test_strangers_are_refused(app):
    assert ask(app.test_client(), points(CLICKS[0])).status_code == 403
