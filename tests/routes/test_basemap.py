"""A background map comes from another server only where the operator says so."""

from __future__ import annotations

import dataclasses

import pytest

from server.routes.services import Basemap
from tests.routes.support import with_token


def test_without_a_setting_there_is_none_and_no_other_host_is_allowed(app):
    response = with_token(app).get("/basemap")
    assert response.json == {"url": None, "attribution": ""}
    assert "img-src 'self' data: blob:;" in response.headers["Content-Security-Policy"]
    assert response.headers["Referrer-Policy"] == "same-origin"


def test_a_configured_map_is_told_and_its_host_alone_is_let_through(start_app, settings):
    url = "https://tiles.example.org/base/{z}/{x}/{y}.png"
    app = start_app(dataclasses.replace(settings, basemap_url=url, basemap_attribution="© Example"))
    response = with_token(app).get("/basemap")
    assert response.json == {"url": url, "attribution": "© Example"}
    assert "img-src 'self' data: blob: https://tiles.example.org;" in response.headers["Content-Security-Policy"]
    assert response.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("", ""),
        ("http://localhost:8080/{z}/{x}/{y}.png", "http://localhost:8080"),
        ("https://{a-c}.tile.example.org/{z}/{x}/{y}.png", "https://*.tile.example.org"),
    ],
)
def test_origin_of_an_address(url, origin):
    assert Basemap(url, "").origin == origin
