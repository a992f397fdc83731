"""`/metrics` tells what happened, to the operator alone."""

from __future__ import annotations

import dataclasses

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.observability.hits import HitCounter
from tests.routes.support import assert_error, upload, with_token

OPERATOR = "the operator's own"
PREFIX = "segment_anything_rs_"


@pytest.fixture
def watched(start_app, settings):
    return start_app(dataclasses.replace(settings, operator_token=OPERATOR))


def figures(app, **headers: str) -> dict[str, dict[tuple[str, ...], float]]:
    response = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {OPERATOR}", **headers})
    assert response.status_code == 200, response.get_data(as_text=True)
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(response.get_data(as_text=True)):
        for sample in family.samples:
            labels = tuple(value for name, value in sorted(sample.labels.items()) if name != "le")
            found.setdefault(sample.name.removeprefix(PREFIX), {})[labels] = sample.value
    return found


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic Og=="}, {"Authorization": "nonsense"}]
)
@pytest.mark.parametrize("route", ["/metrics", "/operator"])
def test_outsiders_are_refused(watched, route, headers):
    response = watched.test_client().get(route, headers=headers)
    assert_error(response, 401, "not_operator")
    assert response.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("route", ["/metrics", "/operator"])
def test_a_clients_token_is_not_the_operators(watched, route):
    assert_error(with_token(watched).get(route), 401, "not_operator")


@pytest.mark.parametrize("route", ["/metrics", "/operator"])
def test_without_a_token_in_the_settings_both_are_off(app, route):
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic Og=="}):
        assert "operator_token" in assert_error(app.test_client().get(route, headers=headers), 401, "not_operator")


def test_the_password_a_browser_asks_for_counts_as_well(watched):
    response = watched.test_client().get("/metrics", auth=("anyone", OPERATOR))
    assert response.status_code == 200


def test_loopback_needs_no_token_where_that_is_set(start_app, settings):
    visitor = start_app(dataclasses.replace(settings, metrics_from_loopback=True)).test_client()
    assert visitor.get("/metrics").status_code == 200
    assert visitor.get("/operator").status_code == 401
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"Via": "1.1 proxy"}, {"Forwarded": "for=127.0.0.1"}):
        assert visitor.get("/metrics", headers=headers).status_code == 401
    visitor.environ_base["REMOTE_ADDR"] = "203.0.113.5"
    assert visitor.get("/metrics").status_code == 401


def test_guessing_tokens_is_limited(start_app, settings):
    chosen = dataclasses.replace(settings, operator_token=OPERATOR, ip_access_limit="3 per minute")
    visitor = start_app(chosen).test_client()
    for _ in range(3):
        visitor.get("/operator", headers={"Authorization": "Bearer guess"})
    assert_error(visitor.get("/operator", headers={"Authorization": "Bearer guess"}), 429, "too_frequent")


def test_requests_and_jobs_are_counted(watched, make_raster):
    client = with_token(watched)
    upload(client, make_raster())
    assert client.post("/segment", json={}).status_code == 200
    client.get("/jobs/absent")
    client.get("/jobs/absent-too")
    client.get("/no/such/path")
    found = figures(watched)
    assert found["requests_total"][("POST", "/upload", "200")] == 1
    assert found["requests_total"][("GET", "/jobs/<job>", "404")] == 2
    assert found["requests_total"][("GET", "unknown", "404")] == 1
    assert found["request_seconds_count"][("/upload",)] == 1
    assert found["request_seconds_sum"][("/upload",)] > 0
    assert found["job_seconds_count"][("segment", "done")] == 1
    assert found["jobs"] == {("queued",): 0, ("running",): 0, ("done",): 1, ("failed",): 0, ("cancelled",): 0}
    assert found["disk_bytes"][("total",)] > found["disk_bytes"][("free",)] > 0
    assert found["memory_bytes"][("process_peak",)] >= found["memory_bytes"][("process",)] > 0
    assert set(found["cache_lookups"]) == {("embeddings",), ("patches",)}


def test_a_failed_attempt_counts_by_its_error(watched, make_raster, fake_engine):
    client = with_token(watched)
    upload(client, make_raster())
    fake_engine.failure = RuntimeError("broken")
    client.post("/segment", json={})
    found = figures(watched)
    assert found["job_seconds_count"][("segment", "RuntimeError")] == 1
    assert found["jobs"][("failed",)] == 1


def test_two_applications_count_for_themselves(watched, start_app, settings, tmp_path):
    other = start_app(dataclasses.replace(settings, operator_token=OPERATOR, cache_folder=tmp_path / "other"))
    watched.test_client().get("/health")
    assert ("GET", "/health", "200") not in figures(other).get("requests_total", {})


def test_hit_rates():
    counter = HitCounter()
    assert counter.read().rate is None
    for is_hit in (True, False, True, True):
        counter.note(is_hit)
    assert (counter.read().hits, counter.read().lookups, counter.read().rate) == (3, 4, 0.75)
