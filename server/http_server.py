"""waitress, set up so that what goes wrong before Flask sees a request is answered in the same JSON shape."""

from __future__ import annotations

import errno
import json
import logging
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask
from waitress.utilities import Error

from server.errors import BadParameter

# A body slightly over the limit is read to its end, so that the client gets the sentence and not a reset connection.
OVERSIZE_READ_BYTES = 256 * 2**20
CODES = {400: "bad_parameter", 413: "too_large", 431: "too_large", 501: "not_implemented", 507: "storage_full"}


class StorageFullError(Error):  # type: ignore[misc]  # waitress is untyped
    """The disk was full while a body was received."""

    code = 507
    reason = "Insufficient Storage"


class JsonErrorTask(ErrorTask):  # type: ignore[misc]  # waitress is untyped
    """Answers what waitress itself refuses."""

    def execute(self) -> None:
        """Write the error as `{"error", "message", "field"}`."""
        error = self.request.error
        content = {
            "error": CODES.get(error.code, "internal_error"),
            "message": f"{error.reason}: {error.body}.",
            "field": None,
        }
        body = json.dumps(content).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress is untyped
    """A connection whose errors are JSON, a full disk included."""

    error_task_class = JsonErrorTask
    request: Any

    def received(self, data: bytes) -> bool:
        """Take in bytes of a request; see `HTTPChannel.received`."""
        try:
            return bool(super().received(data))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or self.request is None:
                raise
            logging.getLogger(__name__).exception("The disk is full")
            with self.requests_lock:
                self.request.error = StorageFullError("the server's disk is full, tell its operator")
                self.requests.append(self.request)
                self.request = None
            self.server.add_task(self)
            return True


def create_http_server(
    app: Callable[..., Any], *, host: str, port: int, n_threads: int, max_upload_bytes: int, spool_folder: Path
) -> BaseWSGIServer:
    """Return a server that already listens on `host`; `.run()` serves.

    Args:
        app: the WSGI application.
        host: name or address; of several addresses the first is taken.
        port: TCP port, 0 for a free one (`.effective_port` tells which).
        n_threads: requests answered at the same time.
        max_upload_bytes: bodies well above it are refused before they are read.
        spool_folder: where large bodies wait until they are complete, instead of a small system folder.

    Raises:
        BadParameter: the address cannot be listened on.
    """
    spool_folder.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(spool_folder)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        literal = f"[{address[0]}]" if family == socket.AF_INET6 else str(address[0])
        server = create_server(
            app,
            listen=f"{literal}:{port}",
            threads=n_threads,
            max_request_body_size=max_upload_bytes + OVERSIZE_READ_BYTES,
            connection_limit=1000,
            channel_timeout=120,
            asyncore_use_poll=True,
            ident="",
        )
    except OSError as error:
        reason = f"Cannot listen on {host} port {port}: {error.strerror or error}. Choose another host or port."
        raise BadParameter(reason, "port") from error
    server.channel_class = Channel
    return server
