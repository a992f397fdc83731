"""The application of the route tests."""

from tests.routes.conftest import answer_of, app, client, fake_engine, settings, start_app

__all__ = ["answer_of", "app", "client", "fake_engine", "settings", "start_app"]
