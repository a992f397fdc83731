"""Whatever one process began, another one can go on with: nothing that matters is in the memory of a process."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from server.app import create_app, find_background
from server.cleaning.turns import take_turn
from server.clients.kept_masks import LIFETIME_S, MAX_MASKS_PER_CLIENT, KeptMasks
from server.clients.rasters import RasterStore
from server.clients.sessions import ClientStore
from server.clients.staging import staging_folder
from server.database import open_database
from server.errors import BadParameter, QuotaExceeded
from server.rasters.windows import PixelWindow
from server.segmentation.prompting.earlier_masks import EarlierMasks, Owner, SeenLogits
from server.segmentation.prompting.looks import Look
from server.settings import REPOSITORY
from tests.routes.support import upload, with_token

OWNER = Owner("anna", "raster", "embedded")


def visitor(app: Flask, other: FlaskClient | None = None) -> FlaskClient:
    """Return a browser; with the cookie of another one it is the same visitor."""
    browser = app.test_client()
    cookie = None if other is None else other.get_cookie("uuid")
    if cookie is not None:
        browser.set_cookie("uuid", cookie.value)
    return browser


def seen(value: float = 1.0) -> SeenLogits:
    logits = np.full((16, 16), value, dtype=np.float32)
    return SeenLogits(logits, Look(PixelWindow(1, 2, 30, 40), (40, 30)), (0.5, 0.25), PixelWindow(3, 4, 5, 6))


@pytest.fixture
def engine(tmp_path):
    opened = open_database(tmp_path / "shared.sqlite")
    yield opened
    opened.dispose()


def test_a_question_of_one_process_is_answered_at_the_other(pair, answer_of):
    asked = visitor(pair.first)
    asked.get("/")
    asked.get("/human_check")
    answering = visitor(pair.second, asked)
    answered = answering.post("/human_check", json={"answer": answer_of(asked)})
    assert answered.get_json() == {"human": True}
    assert visitor(pair.first, answering).get("/rasters").status_code == 200


def test_wrong_answers_count_wherever_they_are_given(pair):
    asked = visitor(pair.first)
    asked.get("/human_check")
    statuses = [visitor(app, asked).post("/human_check", json={"answer": -1}).status_code
                for app in (pair.first, pair.second) * 2]  # fmt: skip
    assert statuses == [403, 403, 403, 429]


def test_a_raster_of_one_process_is_seen_tiled_and_replaced_at_the_other(pair, make_raster):
    first, second = with_token(pair.first), with_token(pair.second)
    assert upload(first, make_raster()).status_code == 200
    assert second.get("/raster_meta").get_json()["width"] == 64
    assert upload(second, make_raster(size=(32, 32))).status_code == 200
    assert first.get("/raster_meta").get_json()["width"] == 32


def test_a_side_file_waits_for_a_raster_that_comes_to_the_other(pair, make_raster, tmp_path):
    world = tmp_path / "scene.tfw"
    world.write_text("2.0\n0.0\n0.0\n-2.0\n500000.0\n4400000.0\n")
    assert upload(with_token(pair.first), world, route="/upload_cfg").get_json()["raster"] is None
    answer = upload(with_token(pair.second), make_raster(crs=None))
    assert "scene.tfw" in answer.get_json()["message"]


def test_a_process_that_starts_leaves_uploads_of_others_alone(start_app, shared_settings):
    start_app(shared_settings)
    coming = staging_folder(shared_settings.cache_folder) / "upload-of-the-first"
    coming.mkdir()
    start_app(shared_settings)
    assert coming.exists()


def test_room_that_one_process_keeps_is_not_free_at_the_other(tmp_path):
    first, second = (open_database(tmp_path / "shared.sqlite") for _ in range(2))
    client = ClientStore(first, tmp_path).issue()
    stores = [RasterStore(engine, tmp_path, client_quota_bytes=10_000) for engine in (first, second)]
    with stores[0].reserve(client, 6000), pytest.raises(QuotaExceeded), stores[1].reserve(client, 6000):
        pass
    with stores[1].reserve(client, 6000):
        pass
    first.dispose()
    second.dispose()


def test_a_job_of_one_process_is_known_and_cancelled_at_the_other(pair, make_raster):
    first, second = with_token(pair.first), with_token(pair.second)
    upload(first, make_raster())
    job = first.post("/segment", json={}).get_json()["job"]
    assert [item["job"] for item in second.get("/jobs").get_json()["jobs"]] == [job]
    assert second.delete(f"/jobs/{job}").get_json()["state"] == "cancelled"
    assert first.get(f"/jobs/{job}").get_json()["state"] == "cancelled"


def test_an_annotation_of_one_process_is_undone_at_the_other(pair, make_raster):
    first, second = with_token(pair.first), with_token(pair.second)
    upload(first, make_raster(crs=None))
    ring = [[1, 1], [9, 1], [9, 9], [1, 9], [1, 1]]
    added = {"add": [{"geometry": {"type": "Polygon", "coordinates": [ring]}}]}
    assert first.post("/annotations", json=added).status_code == 200
    assert second.post("/annotations/undo", json={}).status_code == 200
    assert first.post("/annotations/undo", json={}).status_code == 409


def test_a_click_of_one_process_is_corrected_at_the_other(shared_settings, make_raster):
    """With real engines: those of the pair share a stand-in, and with it the masks."""
    settings = dataclasses.replace(shared_settings, checkpoint_folder=REPOSITORY / "ckpt")
    first, second = (create_app(settings) for _ in range(2))
    upload(with_token(first), make_raster(size=(96, 96)))
    answer = with_token(first).post("/predict", json={"points": [[40, 40, 1]], "space": "pixel"}).get_json()
    again = {"points": [[40, 40, 1], [5, 5, 0]], "space": "pixel", "previous": answer["masks"][0]["id"]}
    corrected, expected = (with_token(app).post("/predict", json=again) for app in (second, first))
    assert corrected.status_code == 200, corrected.get_json()
    areas_px = [[mask["area_px"] for mask in answer.get_json()["masks"]] for answer in (corrected, expected)]
    assert areas_px[0] == areas_px[1]
    for app in (first, second):
        find_background(app).engine.dispose()


def test_masks_are_found_by_any_process_as_one_process_finds_its_own(engine, tmp_path):
    again = open_database(tmp_path / "shared.sqlite")
    mask, own = seen(-3.3), EarlierMasks(10**6)
    found = KeptMasks(again).find(OWNER, KeptMasks(engine).keep(OWNER, mask))
    expected = own.find(OWNER, own.keep(OWNER, mask))
    np.testing.assert_array_equal(found.logits, expected.logits)
    assert (found.look, found.to_low, found.box) == (expected.look, expected.to_low, expected.box)
    again.dispose()


@pytest.mark.parametrize(
    "owner", [OWNER._replace(client="b"), OWNER._replace(raster="b"), OWNER._replace(checkpoint="b")]
)
def test_nobody_goes_on_from_the_mask_of_another(engine, owner):
    masks = KeptMasks(engine)
    with pytest.raises(BadParameter, match="no earlier mask") as caught:
        masks.find(owner, masks.keep(OWNER, seen()))
    assert caught.value.field == "previous"


def test_masks_are_bounded_by_number_and_time(engine, monkeypatch):
    monkeypatch.setattr("server.clients.kept_masks.MAX_MASKS_PER_CLIENT", 3)
    now = [1000.0]
    masks = KeptMasks(engine, clock=lambda: now[0])
    ids = [masks.keep(OWNER, seen()) for _ in range(4)]
    other = masks.keep(OWNER._replace(client="berta"), seen())
    masks.find(OWNER, ids[1])
    with pytest.raises(BadParameter):
        masks.find(OWNER, ids[0])
    now[0] += LIFETIME_S + 1
    masks.keep(OWNER, seen())
    with pytest.raises(BadParameter):
        masks.find(OWNER._replace(client="berta"), other)
    assert MAX_MASKS_PER_CLIENT >= 100  # clicks of a person, three masks each, are not forgotten at once


def test_one_process_cleans_at_a_time(engine):
    turns = [take_turn(engine, "files", now, 600.0) for now in (0.0, 1.0, 200.0, 600.0, 601.0)]
    assert turns == [True, False, False, True, False]
    assert take_turn(engine, "clients", 601.0, 600.0)
    assert take_turn(engine, "files", 10.0, 600.0), "a clock that was set back must not stop cleaning"


def test_processes_take_turns_in_cleaning(pair, monkeypatch):
    rounds = []
    for app in (pair.first, pair.second):
        cleaning = find_background(app).cleaning
        cleaning.stop()
        monkeypatch.setattr(cleaning, "remove_stale_files", rounds.append)
        monkeypatch.setattr(cleaning, "remove_expired_clients", lambda _now: None)
        cleaning.start()
        time.sleep(0.2)  # the first round comes at once, where it comes
        cleaning.stop()
    # Both began when the applications were started, half an interval has not passed since.
    assert rounds == []
