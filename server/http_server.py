"""waitress, set up so that what goes wrong before Flask sees a request is answered in the same JSON shape."""

from __future__ import annotations

import errno
import json
import logging
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error

from server.errors import BadParameter
from server.observability.draining import ARRIVAL

# A body slightly over the limit is read to its end, so that the client gets the sentence and not a reset connection.
OVERSIZE_READ_BYTES = 256 * 2**20
# A request has to be complete after this time or go on at this pace, so that idle connections cannot use up all there
# are; both are far below what the slowest lines bring.
GRACE_S, MIN_BYTES_PER_S = 30.0, 512.0
CODES = {400: "bad_parameter", 413: "too_large", 431: "too_large", 501: "not_implemented", 507: "storage_full"}


class StorageFullError(Error):  # type: ignore[misc]  # waitress is untyped
    """The disk was full while a body was received."""

    code = 507
    reason = "Insufficient Storage"


class TimedParser(HTTPRequestParser):  # type: ignore[misc]  # waitress is untyped
    """Takes in one request and knows since when.

    Attributes:
        arrived_s: `time.monotonic()` of its first byte.
    """

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.arrived_s = time.monotonic()

    def is_too_slow(self, now_s: float) -> bool:
        """Tell whether the client keeps the connection busy with next to nothing; `now_s` as of `time.monotonic()`."""
        overdue_s = now_s - self.arrived_s - GRACE_S
        if not self.headers_finished:
            return overdue_s > 0
        return bool(self.body_bytes_received < overdue_s * MIN_BYTES_PER_S)


class TimedTask(WSGITask):  # type: ignore[misc]  # waitress is untyped
    """Tells the application when the request arrived."""

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environment."""
        environment: dict[str, Any] = super().get_environment()
        environment[ARRIVAL] = self.request.arrived_s
        return environment


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
    parser_class = TimedParser
    task_class = TimedTask
    request: Any

    def readable(self) -> bool:
        """Tell whether to read on; the server's loop asks at least once a second, which ends what is too slow."""
        request = self.request
        if request is not None and request.is_too_slow(time.monotonic()):
            self.will_close = True
        return bool(super().readable())

    def is_busy(self, since_s: float) -> bool:
        """Tell whether a request that began to arrive before `since_s` is not fully answered."""
        coming = self.request
        is_coming = coming is not None and coming.arrived_s <= since_s
        is_answered = all(request.arrived_s > since_s for request in list(self.requests))
        return is_coming or not is_answered or self.total_outbufs_len > 0

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
            # The application knows which proxies to believe.
            clear_untrusted_proxy_headers=False,
        )
    except OSError as error:
        reason = f"Cannot listen on {host} port {port}: {error.strerror or error}. Choose another host or port."
        raise BadParameter(reason, "port") from error
    server.channel_class = Channel
    return server


def is_busy(server: BaseWSGIServer, since_s: float) -> bool:
    """Tell whether any request that arrived before `since_s`, of `time.monotonic()`, is not fully answered."""
    return any(channel.is_busy(since_s) for channel in list(server.active_channels.values()))
