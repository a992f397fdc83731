"""Log lines carry the ids of request and job, hold one entry each, and keep secrets."""

from __future__ import annotations

import json
import logging

import pytest

from server.observability.context import choose_request_id, current_ids, enter_request, entered_job
from server.observability.logs import JsonFormatter, TextFormatter, hide_client_folders
from tests.routes.support import upload


def record_of(message: str, *arguments: object, **more: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"msg": message, "args": arguments, "levelname": "INFO", "name": "server.test", "created": 0.0, **more}
    )


@pytest.fixture
def ids():
    enter_request("request-1")
    with entered_job("job-1"):
        yield
    enter_request(None)


def test_json_lines_hold_time_ids_and_fields(ids):
    content = json.loads(JsonFormatter().format(record_of("%d windows", 3, fields={"route": "/jobs"})))
    assert content == {
        "time": "1970-01-01T00:00:00.000Z", "level": "INFO", "logger": "server.test", "message": "3 windows",
        "request": "request-1", "job": "job-1", "route": "/jobs",
    }  # fmt: skip


def test_text_lines_end_with_the_ids(ids):
    assert TextFormatter().format(record_of("done")).endswith("server.test: done [request=request-1 job=job-1]")


def test_without_request_and_job_there_are_no_ids():
    assert current_ids() == {}
    assert TextFormatter().format(record_of("done")).endswith("server.test: done")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_visitor_cannot_forge_an_entry(formatter):
    line = formatter.format(record_of("name %s", "a\n2026-01-01 INFO server: all is well\r\nb"))
    assert len(line.splitlines()) == 1


def test_tracebacks_are_kept():
    try:
        int("told")
    except ValueError as error:
        record = record_of("failed", exc_info=(ValueError, error, error.__traceback__))
    assert "literal for int() with base 10: 'told'" in json.loads(JsonFormatter().format(record))["traceback"]
    assert "literal for int() with base 10: 'told'" in TextFormatter().format(record)


@pytest.mark.parametrize("separator", ["/", "\\", "\\\\"])
def test_folders_of_clients_are_shortened(separator):
    text = f"cache{separator}clients{separator}{'0' * 24}89abcdef{separator}rasters and job {'1' * 32}"
    hidden = hide_client_folders(text)
    assert "…89abcdef" in hidden
    assert "0" * 24 not in hidden
    assert "1" * 32 in hidden


@pytest.mark.parametrize("sent", ["abc-1.2_Z", "a" * 64])
def test_a_well_formed_id_is_kept(app, sent):
    assert app.test_client().get("/health", headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", [None, "", "a" * 65, "a b", 'x"y', "a,b", "ä"])
def test_any_other_is_replaced(sent):
    chosen = choose_request_id(sent)
    assert chosen != sent
    assert len(chosen) == 32


def test_errors_carry_the_id_too(app):
    for route in ("/absent", "/rasters"):
        response = app.test_client().get(route, headers={"X-Request-ID": "mine"})
        assert response.status_code >= 400
        assert response.headers["X-Request-ID"] == "mine"


def test_lines_of_a_job_carry_its_id(client, make_raster, fake_engine):
    lines = []

    class Collect(logging.Handler):
        def emit(self, record):
            lines.append((current_ids().get("job"), record.getMessage()))

    handler = Collect()
    logger = logging.getLogger("server.jobs")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        upload(client, make_raster())
        job = client.post("/segment", json={}).get_json()["job"]
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert (job, "Attempt 1 at a job: segment") in lines
    assert (job, "The job is done") in lines
