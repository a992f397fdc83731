"""Only clients the server knows get in, by cookie or by token."""

from __future__ import annotations

import dataclasses

import pytest

from tests.routes.support import assert_error

PROTECTED = [
    "/rasters",
    "/raster_meta",
    "/jobs",
    "/jobs/abc",
    "/checkpoints",
    "/preview_mask",
    "/download",
    "/segment_parameters",
]


@pytest.mark.parametrize("route", PROTECTED)
def test_a_stranger_is_refused(app, route):
    assert_error(app.test_client().get(route), 403, "not_human")


@pytest.mark.parametrize(
    "value", ["..", "../..", "/etc", "", "a" * 3000, "0" * 32, "token-" + "0" * 32, "%2e%2e", "'; drop table"]
)
def test_only_ids_the_server_issued_count(app, settings, value):
    client = app.test_client()
    client.set_cookie("uuid", value)
    before = {path.name for path in settings.cache_folder.parent.iterdir()}
    assert_error(client.get("/rasters"), 403, "not_human")
    response = client.get("/")
    assert response.headers["Set-Cookie"].split(";")[0] != f"uuid={value}"
    assert {path.name for path in settings.cache_folder.parent.iterdir()} == before


def test_the_cookie_is_random_httponly_and_samesite(app):
    cookies = [app.test_client().get("/").headers["Set-Cookie"] for _ in range(2)]
    assert cookies[0].split(";")[0] != cookies[1].split(";")[0]
    assert "HttpOnly" in cookies[0]
    assert "SameSite=Lax" in cookies[0]
    assert "Secure" not in cookies[0]
    assert "Secure" in app.test_client().get("/", base_url="https://localhost").headers["Set-Cookie"]


def test_a_wrong_token_is_refused(app):
    for header in ("Bearer wrong", "Bearer ", "Basic YTpi", "nonsense"):
        assert_error(app.test_client().get("/rasters", headers={"Authorization": header}), 403, "not_human")


def test_a_token_client_needs_no_cookie(client):
    response = client.get("/rasters")
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers


def test_without_the_question_a_program_gets_in_at_once(start_app, settings):
    client = start_app(dataclasses.replace(settings, human_check=False)).test_client()
    first = client.get("/rasters")
    assert first.status_code == 200
    assert "uuid=" in first.headers["Set-Cookie"]
    assert "Set-Cookie" not in client.get("/rasters").headers


def test_open_routes_answer_anyone(app):
    for route in ("/health", "/openapi.json", "/human_check_files/human_check.js", "/assets/index-1a2b.js"):
        assert app.test_client().get(route).status_code == 200


def test_every_answer_carries_the_security_headers(app):
    response = app.test_client().get("/")
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"].split("style-src")[0]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
