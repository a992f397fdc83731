"""Rates apply to what costs; ordinary use never meets them."""

from __future__ import annotations

import dataclasses

from tests.routes.support import assert_error, upload, with_token


def test_the_costly_rate_answers_429_with_retry_after(start_app, settings, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, ip_access_limit="2 per minute")))
    for _ in range(2):
        assert upload(client, make_raster()).status_code == 200
    response = upload(client, make_raster())
    assert_error(response, 429, "too_frequent")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert client.get("/raster_meta").status_code == 200


def test_ordinary_use_never_meets_a_limit(start_app, settings, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, ip_access_limit="60 per minute")))
    assert upload(client, make_raster()).status_code == 200
    answers = [client.get(f"/tiles/scene.tif/20/{x}/400000.png").status_code for x in range(300)]
    answers += [client.get("/jobs").status_code for _ in range(300)]
    assert set(answers) <= {200, 204}


def test_a_forged_forwarding_header_changes_nothing(start_app, settings, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, ip_access_limit="1 per minute")))
    assert upload(client, make_raster()).status_code == 200
    client.environ_base["HTTP_X_FORWARDED_FOR"] = "203.0.113.9"
    assert upload(client, make_raster()).status_code == 429
