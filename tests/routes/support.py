"""What several route tests need: a client with a token, an upload, the one error shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

TOKEN = "a token only tests know"


class BufferedClient(FlaskClient):
    """Reads every answer to its end, so that the files behind downloads are closed."""

    def open(self, *arguments: Any, **options: Any) -> Any:
        return super().open(*arguments, **{"buffered": True, **options})


def with_token(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client


def upload(client: FlaskClient, path: Path, name: str | None = None, route: str = "/upload") -> Any:
    """Post one file and return the response; the body is put together here because werkzeug leaves large ones open."""
    head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name or path.name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + b"\r\n--edge--\r\n"
    return client.post(route, data=body, content_type="multipart/form-data; boundary=edge")


def assert_error(response: Any, status: int, code: str, field: str | None = None) -> str:
    """Check the one error shape and return its sentence."""
    assert response.status_code == status, response.get_data(as_text=True)
    content = response.get_json()
    assert set(content) >= {"error", "message", "field"}
    assert content["error"] == code
    assert content["field"] == field
    assert len(content["message"]) > 10
    return str(content["message"])
