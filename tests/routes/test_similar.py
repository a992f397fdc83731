"""Finding objects like accepted ones over HTTP: examples in, ids of the automatic result out, outlines by id."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import shapely

from tests.routes.support import assert_error, upload, with_token
from tests.routes.test_segment import wait_for


@pytest.fixture
def segmented(client, make_raster):
    """A client with a result of four objects, the second and the fourth brighter than the others."""
    bands = np.full((3, 48, 64), 40, np.uint8)
    for number, left in enumerate(range(0, 56, 16)):
        bands[:, :8, left : left + 8] = (100, 200)[number % 2] + number
    upload(client, make_raster(bands=bands, crs=None))
    assert client.post("/segment", json={}).get_json()["n_objects"] == 4
    return client


def keep(client, *ids: int) -> list[dict]:
    answer = client.post("/annotations/promote", json={"ids": list(ids)}).get_json()
    return [{name: item["properties"][name] for name in ("id", "revision")} for item in answer["objects"]]


def test_the_most_alike_come_first_without_the_examples(segmented):
    response = segmented.post("/annotations/similar", json={"objects": keep(segmented, 2)})
    answer = response.get_json()
    assert response.status_code == 200, answer
    assert answer["kind"] == "similar"
    assert answer["ids"][0] == 4
    assert sorted(answer["ids"]) == [1, 3, 4]
    assert answer["scores"] == sorted(answer["scores"], reverse=True)
    assert answer["n_alike"] == 1
    (feature,) = segmented.post("/objects", json={"ids": answer["ids"][:1]}).get_json()["features"]
    assert feature["properties"]["id"] == 4
    assert shapely.geometry.shape(feature["geometry"]).equals(shapely.box(48, 0, 56, 8))


def test_a_window_limits_the_search(segmented):
    body = {"objects": keep(segmented, 2), "window": [32, 0, 32, 48]}
    assert sorted(segmented.post("/annotations/similar", json=body).get_json()["ids"]) == [3, 4]
    body = {"objects": keep(segmented, 3), "window": [0, 40, 64, 8]}
    assert_error(segmented.post("/annotations/similar", json=body), 400, "bad_parameter", "window")
    body["window"] = [0, 0, 100, 100]
    assert_error(segmented.post("/annotations/similar", json=body), 400, "bad_parameter", "window")


def test_what_is_missing_is_said(client, make_raster):
    upload(client, make_raster(crs=None))
    square = shapely.geometry.mapping(shapely.box(0, 0, 9, 9))
    added = client.post("/annotations", json={"add": [{"geometry": square}]}).get_json()["objects"][0]["properties"]
    seen = {"id": added["id"], "revision": added["revision"]}
    assert_error(client.post("/annotations/similar", json={"objects": [seen]}), 409, "wrong_moment", "raster")
    assert_error(client.post("/annotations/similar", json={"objects": []}), 400, "bad_parameter", "objects")
    client.post("/segment", json={})
    late = {"id": 1, "revision": 99}
    assert_error(client.post("/annotations/similar", json={"objects": [late]}), 409, "conflict")


def test_ids_of_an_earlier_result_are_not_mistaken(start_app, settings, fake_engine, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, job_workers=1)))
    upload(client, make_raster(crs=None))
    client.post("/segment", json={})
    examples = keep(client, 1)
    fake_engine.hold()
    segmenting = client.post("/segment", json={}, headers={"Prefer": "respond-async"}).get_json()["job"]
    wait_for(client, segmenting, "running")
    waiting = client.post("/annotations/similar", json={"objects": examples}, headers={"Prefer": "respond-async"})
    assert waiting.status_code == 202
    fake_engine.release()
    record = wait_for(client, waiting.get_json()["job"], "failed", "done")
    assert record["state"] == "failed"
    assert "anew" in record["error"]["message"]


def test_what_has_been_kept_is_not_proposed_again(segmented):
    examples = keep(segmented, 2)
    found = segmented.post("/annotations/similar", json={"objects": examples}).get_json()
    promoted = segmented.post(
        "/annotations/promote", json={"ids": found["ids"][:1], "result_number": found["result_number"]}
    )
    assert promoted.status_code == 200
    assert sorted(segmented.post("/annotations/similar", json={"objects": examples}).get_json()["ids"]) == [1, 3]


def test_ids_are_refused_where_they_belong_to_an_earlier_result(segmented):
    found = segmented.post("/annotations/similar", json={"objects": keep(segmented, 2)}).get_json()
    segmented.post("/segment", json={})
    meant = {"ids": found["ids"], "result_number": found["result_number"]}
    for route in ("/objects", "/annotations/promote"):
        assert_error(segmented.post(route, json=meant), 409, "wrong_moment", "result_number")


def test_unknown_ids_have_no_outline(segmented):
    assert segmented.post("/objects", json={"ids": [99]}).get_json()["features"] == []
    assert segmented.post("/objects", json={"ids": []}).get_json()["features"] == []
