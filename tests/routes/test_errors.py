"""One error shape everywhere, and no error of a visitor ever ends in 500."""

from __future__ import annotations

import errno
import inspect

import pytest

from server import errors
from server.routes.errors import STATUS_OF
from tests.routes.support import assert_error, upload


def test_every_user_error_has_a_status():
    kinds = {item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, errors.UserError)}
    assert kinds - {errors.UserError} == set(STATUS_OF)


def test_codes_are_unique():
    codes = [kind.code for kind in STATUS_OF]
    assert len(codes) == len(set(codes))


def test_every_route_refuses_a_stranger_in_the_same_shape(app):
    stranger = app.test_client()
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<int:z>", "0").replace("<int:x>", "0").replace("<int:y>", "0")
        path = path.replace("<raster>", "a.tif").replace("<job>", "a").replace("<path:name>", "absent")
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            response = stranger.open(path, method=method)
            assert response.status_code < 500
            if response.status_code >= 400:
                assert {"error", "message", "field"} <= set(response.get_json()), path


def test_unknown_paths_and_methods(client):
    assert_error(client.get("/absent"), 404, "not_found")
    assert_error(client.put("/segment"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[1]", None),
        (b"{", None),
        (b'"text"', None),
        (b'{"maxsize": 5}', "maxsize"),
        (b'{"max_size": "512"}', "max_size"),
        (b'{"max_size": true}', "max_size"),
        (b'{"max_size": 1e9}', "max_size"),
        (b'{"stretch": "auto"}', "stretch"),
        (b'{"r": 1}', "g"),
        (b'{"r": 0, "g": 1, "b": 1}', "r"),
    ],
)
def test_a_wrong_body_names_its_field(client, body, field):
    response = client.post("/preview_raster", data=body, content_type="application/json")
    assert_error(response, 400, "bad_parameter", field)


def test_a_huge_body_is_refused(client):
    assert_error(client.post("/segment", data=b"[" * 2_000_000), 413, "too_large")


@pytest.mark.parametrize("query", ["max_size=5", "max_size=x", "alpha=2", "alpha=nan", "colour=red"])
def test_a_wrong_query_names_its_field(client, query):
    assert_error(client.get(f"/preview_mask?{query}"), 400, "bad_parameter", query.split("=")[0])


def test_a_full_disk_is_said(client, app, monkeypatch):
    def fail(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(app.view_functions, "rasters.list_rasters", fail)
    assert_error(client.get("/rasters"), 507, "storage_full")


def test_a_bug_is_generic_and_logged(client, app, monkeypatch, caplog):
    def fail():
        raise RuntimeError("secret detail")

    monkeypatch.setitem(app.view_functions, "rasters.list_rasters", fail)
    sentence = assert_error(client.get("/rasters"), 500, "internal_error")
    assert "secret" not in sentence
    assert "secret detail" in caplog.text


def test_a_raster_deleted_during_a_request_is_not_a_bug(client, make_raster, settings):
    upload(client, make_raster())
    next(settings.cache_folder.rglob("source.tif")).unlink()
    for route in ("/raster_meta", "/tiles/scene.tif/tilejson.json"):
        response = client.get(route)
        assert response.status_code in (404, 415), response.get_data(as_text=True)
