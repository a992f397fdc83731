"""Whose session it is: ids cannot be planted, guessed, read from logs or used by pages of other sites."""

from __future__ import annotations

import logging
import re

import pytest

from server.observability.logs import JsonFormatter, TextFormatter
from tests.routes.support import assert_error, upload


@pytest.fixture
def human(app, answer_of):
    visitor = app.test_client()
    visitor.get("/human_check")
    assert visitor.post("/human_check", json={"answer": answer_of(visitor)}).get_json() == {"human": True}
    return visitor


def test_the_id_changes_when_a_visitor_becomes_human(app, answer_of):
    visitor, planter = app.test_client(), app.test_client()
    visitor.get("/")
    planted = visitor.get_cookie("uuid").value
    planter.set_cookie("uuid", planted)
    visitor.get("/human_check")
    visitor.post("/human_check", json={"answer": answer_of(visitor)})
    assert visitor.get_cookie("uuid").value != planted
    assert visitor.get("/rasters").status_code == 200
    assert_error(planter.get("/rasters"), 403, "not_human")


def test_answering_again_changes_nothing(human):
    before = human.get_cookie("uuid").value
    assert human.post("/human_check", json={"answer": 0}).get_json() == {"human": True}
    assert human.get_cookie("uuid").value == before


@pytest.mark.parametrize("place", ["query", "header", "body"])
def test_an_id_counts_nowhere_but_in_the_cookie(app, human, place):
    sent = human.get_cookie("uuid").value
    thief = app.test_client()
    answer = {
        "query": lambda: thief.get(f"/rasters?uuid={sent}"),
        "header": lambda: thief.get("/rasters", headers={"uuid": sent, "X-Client": sent}),
        "body": lambda: thief.post("/preview_raster", json={"uuid": sent}),
    }[place]()
    assert_error(answer, 403, "not_human")


def test_ids_are_long_and_never_repeat(app):
    seen = set()
    for _ in range(50):
        visitor = app.test_client()
        visitor.get("/")
        seen.add(visitor.get_cookie("uuid").value)
    assert len(seen) == 50
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in seen)


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_no_log_line_holds_a_whole_id(human, make_raster, settings, formatter, caplog):
    secret = human.get_cookie("uuid").value
    with caplog.at_level(logging.DEBUG, "server"):
        upload(human, make_raster())
        next(settings.cache_folder.rglob("source.tif")).unlink()
        human.get("/raster_meta")
        try:
            (settings.cache_folder / "clients" / secret / "absent").read_text()
        except OSError:
            logging.getLogger("server.test").exception("With the path in a traceback")
    lines = [formatter.format(record) for record in caplog.records]
    assert any(secret[-8:] in line for line in lines)
    assert not any(secret in line for line in lines)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("route", ["/sample", "/segment", "/human_check", "/upload"])
def test_pages_of_other_sites_change_nothing(human, site, route):
    response = human.post(route, json={}, headers={"Sec-Fetch-Site": site})
    assert "another site" in assert_error(response, 403, "not_human")


def test_the_own_page_and_programs_may(human):
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}):
        assert human.delete("/jobs/absent", headers=headers).status_code == 404


def test_no_answer_lets_other_sites_read_it(app):
    response = app.test_client().get("/health", headers={"Origin": "https://evil.example"})
    assert not [name for name, _ in response.headers if name.lower().startswith("access-control")]
    preflight = app.test_client().open("/segment", method="OPTIONS", headers={"Origin": "https://evil.example"})
    assert not [name for name, _ in preflight.headers if name.lower().startswith("access-control")]
