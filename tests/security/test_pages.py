"""What browsers are told, so that nothing a stranger wrote runs as script and no other site frames the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import server.routes
from tests.routes.support import upload
from tests.serving import REPOSITORY

TEMPLATES = Path(server.routes.__file__).parent / "templates"
INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|\son[a-z]+\s*=|javascript:", re.IGNORECASE)
EVIL = "<img src=x onerror=alert(1)>.tif"


def directives(response) -> dict[str, list[str]]:
    parts = (part.split() for part in response.headers["Content-Security-Policy"].split(";"))
    return {words[0]: words[1:] for words in parts if words}


@pytest.mark.parametrize("route", ["/", "/health", "/absent", "/rasters", "/operator"])
def test_the_policy_lets_no_inline_script_run(app, route):
    found = directives(app.test_client().get(route))
    assert found["default-src"] == ["'self'"]
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & set(found.get("script-src", found["default-src"]))
    assert found["object-src"] == found["base-uri"] == ["'none'"]


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_our_pages_hold_no_inline_script(path):
    assert not INLINE.search(path.read_text(encoding="utf-8"))


def test_the_built_page_holds_no_inline_script():
    page = REPOSITORY / "front_end" / "dist" / "index.html"
    if not page.is_file():
        pytest.skip("the page is not built; run `make page`")
    assert not INLINE.search(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("route", ["/", "/health", "/absent"])
def test_no_other_site_may_frame_a_page(app, route):
    response = app.test_client().get(route)
    assert directives(response)["frame-ancestors"] == ["'none'"]
    assert response.headers["X-Frame-Options"] == "DENY"


def test_a_name_with_markup_comes_back_as_data(client, make_raster):
    assert upload(client, make_raster(), EVIL).status_code == 200
    for response in (client.get("/rasters"), client.get(f"/raster_meta?raster={EVIL}"), client.get("/jobs/<script>")):
        assert response.mimetype == "application/json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["../index.html", "..%2f..%2fservice.sqlite", "%2e%2e/index.html", "/etc/passwd", "a\\..\\b"]
)
def test_assets_come_from_their_folder_alone(app, name):
    assert app.test_client().get(f"/assets/{name}", follow_redirects=True).status_code == 404
