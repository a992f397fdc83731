"""The whole service on PostgreSQL: a job over HTTP, and what visitors are told while the server is away."""

from __future__ import annotations

import dataclasses
import time

import pytest

from tests.routes.conftest import fake_engine, settings, start_app  # noqa: F401 - fixtures
from tests.routes.support import assert_error, upload, with_token


@pytest.fixture
def client(start_app, settings, make_url):  # noqa: F811 - fixtures
    return with_token(start_app(dataclasses.replace(settings, database=make_url())))


def test_a_raster_is_segmented_annotated_shared_and_deleted(client, make_raster):
    assert upload(client, make_raster()).status_code == 200
    done = client.post("/segment", json={})
    assert done.status_code == 200, done.get_json()
    job = client.get("/jobs").get_json()["jobs"][0]
    assert (job["state"], job["progress"]) == ("done", 1.0)
    link = client.post(f"/jobs/{job['job']}/share", json={}).get_json()["url"]
    assert client.application.test_client().get(link).status_code == 200
    assert client.get("/annotations").get_json()["revision"] == 0
    assert client.get("/download?format=gpkg").status_code == 200
    assert client.delete("/rasters/scene.tif").status_code == 200
    assert_error(client.get("/raster_meta"), 404, "no_such_raster", "raster")


def test_odd_names_in_addresses_find_nothing(client):
    assert_error(client.get("/raster_meta?raster=%00"), 404, "no_such_raster", "raster")
    assert client.get("/jobs/%00").status_code == 404
    assert client.get("/datasets/%00").status_code == 404


def test_while_the_server_is_away_a_sentence_says_so_and_afterwards_all_goes_on(client, make_raster, postgresql):
    upload(client, make_raster())
    postgresql.stop()
    try:
        for response in (client.get("/rasters"), client.post("/segment", json={}), upload(client, make_raster())):
            assert "cannot be reached" in assert_error(response, 503, "unavailable")
            assert int(response.headers["Retry-After"]) > 0
        assert client.get("/openapi.json").status_code == 200
    finally:
        postgresql.start()
    assert client.get("/rasters").get_json()["rasters"][0]["raster"] == "scene.tif"
    job = client.post("/segment", json={}).get_json()
    deadline = time.monotonic() + 10
    while client.get("/jobs").get_json()["jobs"][0]["state"] != "done":
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
