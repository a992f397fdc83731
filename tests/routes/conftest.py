"""An application without a network behind it: a fake engine marks bright squares, everything else is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from server.app import create_app, find_background
from server.settings import Settings, make_settings
from tests.routes.fake_engine import FakeEngine
from tests.routes.support import TOKEN, BufferedClient, with_token


@pytest.fixture
def fake_engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a question for visitors and one token; tests replace what they need."""
    (tmp_path / "ckpt").mkdir()
    (tmp_path / "ckpt" / "embedded.safetensors").touch()  # the fake engine never opens it
    return make_settings(
        {
            "cache_folder": str(tmp_path / "cache"),
            "api_tokens": [TOKEN],
            "segment_wait_s": 20,
            "ip_access_limit": "10000 per minute",
            "checkpoint_folder": str(tmp_path / "ckpt"),
        },
        tmp_path,
    )


@pytest.fixture
def start_app(fake_engine: FakeEngine, tmp_path: Path) -> Iterator[Callable[[Settings], Flask]]:
    """Return a starter of applications whose background work ends with the test."""
    running = []
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html><title>the app</title>")
    (page / "assets" / "index-1a2b.js").write_text("export {}")

    def start(settings: Settings) -> Flask:
        app = create_app(settings, segmenter=fake_engine, page_folder=page, predict=fake_engine.predict)
        app.test_client_class = BufferedClient
        find_background(app).start()
        running.append(app)
        return app

    yield start
    fake_engine.release()
    for app in running:
        find_background(app).stop(5)


@pytest.fixture
def app(start_app: Callable[[Settings], Flask], settings: Settings) -> Flask:
    return start_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A program with a token."""
    return with_token(app)


@pytest.fixture
def answer_of() -> Callable[[FlaskClient], int]:
    """Return a reader of the answer that the current question of a client's cookie expects."""

    def read(visitor: FlaskClient) -> int:
        cookie = visitor.get_cookie("uuid")
        assert cookie is not None, "this client has no cookie yet"
        query = text("SELECT expected FROM human_checks WHERE client_id = :client")
        with find_background(visitor.application).engine.connect() as connection:
            return int(connection.execute(query, {"client": cookie.value}).scalar_one())

    return read
