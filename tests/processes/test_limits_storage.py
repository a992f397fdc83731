"""Rates that all processes count together in a real Redis server, and without it each for itself."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from server.errors import BadParameter
from server.settings import make_settings
from tests.outside_servers import run_redis
from tests.routes.support import with_token

RECOVERY_CHECK_S = 1.1


@pytest.fixture
def redis(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    with run_redis(folder) as server:
        yield server


@pytest.fixture
def start_limited(start_app, shared_settings, redis):
    limited = dataclasses.replace(shared_settings, interactive_access_limit="4 per hour", limits_storage=redis.url)
    return lambda: with_token(start_app(limited))


def ask(client, n: int) -> list[int]:
    return [client.get("/rasters").status_code for _ in range(n)]


def test_requests_at_all_processes_count_together(start_limited):
    first, second = start_limited(), start_limited()
    assert ask(first, 2) + ask(second, 2) == [200] * 4
    assert ask(first, 1) + ask(second, 1) == [429] * 2


def test_without_redis_the_service_goes_on_counts_for_itself_and_says_so_once(start_limited, redis, caplog):
    client = start_limited()
    assert ask(client, 1) == [200]
    redis.stop()
    with caplog.at_level(logging.INFO):
        assert ask(client, 6) == [200] * 4 + [429] * 2
    assert [record.message for record in caplog.records if "unreachable" in record.message] == [
        "Rate limit storage unreachable - falling back to in-memory storage"
    ]


def test_redis_is_used_again_when_it_is_back(start_limited, redis, monkeypatch):
    client = start_limited()
    redis.stop()
    assert ask(client, 4) == [200] * 4
    redis.start()
    now = [__import__("time").time() + 100]
    monkeypatch.setattr("flask_limiter._extension.time.time", lambda: now[0])
    assert ask(client, 1) == [200], "a new count in Redis, which has forgotten the old one"


def test_a_start_without_redis_succeeds(start_limited, redis):
    redis.stop()
    assert ask(start_limited(), 1) == [200]


def test_an_address_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadParameter, match="limits_storage"):
        make_settings({"limits_storage": "localhost:6379"}, tmp_path)
