"""The operator's page shows who uses what, without what would let its reader become one of them."""

from __future__ import annotations

import dataclasses

import pytest

from server.database import open_database
from server.jobs.workers import WorkerTable
from server.routes.operator import format_bytes
from tests.routes.support import upload, with_token

OPERATOR = {"Authorization": "Bearer the operator's own"}


@pytest.fixture
def watched(start_app, settings):
    return start_app(dataclasses.replace(settings, operator_token="the operator's own", human_check=False))


def test_the_page_of_an_idle_service(watched):
    response = watched.test_client().get("/operator", headers=OPERATOR)
    text = response.get_data(as_text=True)
    assert response.mimetype == "text/html"
    assert response.headers["Cache-Control"] == "no-store"
    assert "None yet." in text
    assert "Set-Cookie" not in response.headers


def test_jobs_and_clients_are_shown_with_short_ids(watched, make_raster, fake_engine):
    visitor = watched.test_client()
    visitor.get("/")
    secret = visitor.get_cookie("uuid").value
    upload(visitor, make_raster(), "<script>alert(1)</script>.tif")
    fake_engine.failure = RuntimeError("secret detail")
    visitor.post("/segment", json={})
    upload(with_token(watched), make_raster())
    text = watched.test_client().get("/operator", headers=OPERATOR).get_data(as_text=True)
    assert f"…{secret[-8:]}" in text
    assert secret not in text
    assert "<script>" not in text
    assert "secret detail" not in text
    assert "Something went wrong" in text
    assert "Known clients: 2" in text


def test_workers_are_shown_where_there_are_any(watched, settings):
    visitor = watched.test_client()
    assert "Workers" not in visitor.get("/operator", headers=OPERATOR).get_data(as_text=True)
    database = open_database(settings.cache_folder / "service.sqlite")
    workers = WorkerTable(database)
    workers.renew("gpu1-7-ab", host="gpu1", device="cuda", lease_s=60.0, doing="0123456789abcdef")
    workers.renew("gpu2-8-cd", host="gpu2", device="cpu", lease_s=0.0, doing="of the dead")
    database.dispose()
    text = visitor.get("/operator", headers=OPERATOR).get_data(as_text=True)
    for shown in ("Workers", "gpu1-7-ab", "cuda", "…89abcdef", "gpu2-8-cd", "gone"):
        assert shown in text
    assert "0123456789abcdef" not in text


def test_it_speaks_chinese(watched):
    text = watched.test_client().get("/operator", headers={**OPERATOR, "Accept-Language": "zh-CN"}).get_data(True)
    assert 'lang="zh-CN"' in text
    assert "使用情况" in text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 2**30, "5.0 GiB"), (3 * 2**50, "3072.0 TiB")],
)
def test_amounts(n_bytes, text):
    assert format_bytes(n_bytes) == text
