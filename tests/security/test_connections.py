"""Connections as attackers open them: slow ones, huge heads, two lengths; and the orderly end of the process."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import threading
import time

import pytest
from waitress import wasyncore

from server import http_server
from server.errors import Unavailable
from server.http_server import create_http_server
from server.observability.draining import ARRIVAL, Drain
from tests.routes.support import assert_error, upload
from tests.serving import TOKEN, serve

HEAD = "POST /upload HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def listen(tmp_path, monkeypatch):
    """A waitress with an application that echoes, in this process."""
    monkeypatch.setattr(http_server, "GRACE_S", 0.4)
    seen = []

    def app(environ, start_response):
        seen.append(environ)
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    monkeypatch.setattr("tempfile.tempdir", None)
    server = create_http_server(
        app, host="127.0.0.1", port=0, n_threads=2, max_upload_bytes=10**6, spool_folder=tmp_path / "spool"
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    server.seen = seen
    yield server
    server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
    server.task_dispatcher.shutdown()
    thread.join(5)


def talk(server, *parts: bytes, pause_s: float = 0.0) -> tuple[bytes, float]:
    """Send parts with pauses; return what came back until the end, and how long that took."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", int(server.effective_port)), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_s)
            answer = connection.makefile("rb").read()
        except OSError:
            answer = b""
    return answer, time.monotonic() - started


def test_a_head_that_never_ends_is_cut_off(listen):
    answer, seconds = talk(listen, HEAD.encode(), *[b"X-A: b\r\n"] * 30, pause_s=0.2)
    assert answer == b""
    assert seconds < 10
    assert listen.seen == []


def test_a_body_that_trickles_is_cut_off(listen):
    answer, seconds = talk(listen, f"{HEAD}Content-Length: 1000\r\n\r\n".encode(), *[b"a"] * 30, pause_s=0.2)
    assert answer == b""
    assert seconds < 10
    assert listen.seen == []


def test_a_body_that_comes_steadily_is_taken(listen):
    body = [b"a" * 400] * 5
    head = f"{HEAD}Connection: close\r\nContent-Length: {400 * 5}\r\n\r\n".encode()
    answer, seconds = talk(listen, head, *body, pause_s=0.3)
    assert seconds > 1.2
    assert answer.endswith(b"a" * 400)


def test_requests_know_when_they_arrived(listen):
    before = time.monotonic()
    talk(listen, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert before <= listen.seen[0][ARRIVAL] <= time.monotonic()


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: -1",
        "Content-Length: +4",
        "X-A: b\n\tc: d\rX",
        "X A: b",
    ],
)
def test_heads_that_two_servers_could_read_differently_do_no_harm(listen, head):
    answer, _ = talk(
        listen, f"{HEAD}Connection: close\r\n{head}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n".encode()
    )
    assert [item["PATH_INFO"] for item in listen.seen] in ([], ["/upload"])
    assert not answer or answer.startswith(
        (b"HTTP/1.1 400", b"HTTP/1.1 501", b"HTTP/1.1 200", b"HTTP/1.0 400", b"HTTP/1.0 501")
    )


def test_a_long_head_is_refused_before_the_application(listen):
    answer, _ = talk(listen, HEAD.encode() + b"X-Long: " + b"a" * 300_000 + b"\r\n\r\n")
    assert b" 431 " in answer.split(b"\r\n")[0] or answer == b""
    assert listen.seen == []


def test_a_draining_service_takes_in_nothing_new(app, client, make_raster):
    upload(client, make_raster())
    drain = app.extensions["segment_anything_rs"].drain
    drain.begin()
    for route in ("/upload", "/sample", "/segment", "/upload_cfg"):
        response = client.post(route, json={})
        assert "restarted" in assert_error(response, 503, Unavailable.code)
        assert int(response.headers["Retry-After"]) > 0
    assert client.get("/raster_meta").status_code == 200
    assert client.get("/jobs").status_code == 200


def test_what_began_before_the_drain_is_no_newcomer():
    drain = Drain(clock=lambda: 10.0)
    assert not drain.is_too_late(None)
    drain.begin()
    drain.begin()
    assert drain.is_too_late(None)
    assert drain.is_too_late(10.5)
    assert not drain.is_too_late(9.5)


def test_sigterm_lets_a_running_upload_finish_and_puts_jobs_back(tmp_path, make_raster):
    """An upload that is half way when the signal comes is taken in, and the job waits for the next process."""
    raster = make_raster("small.tif").read_bytes()
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="small.tif"\r\n\r\n'
        + raster
        + b"\r\n--edge--\r\n"
    )
    head = (
        f"POST /upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with serve(tmp_path) as server:
        assert server.json("POST", "/sample")[0] == 200
        job = server.json("POST", "/segment", {"points_per_side": 64}, Prefer="respond-async")[1]["job"]
        server.wait_for(job, "running")
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head + body[: len(body) // 2])
            time.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            status, content = server.json("POST", "/sample")
            assert (status, content["error"]) == (503, "unavailable")
            connection.sendall(body[len(body) // 2 :])
            answer = connection.makefile("rb").read()
        assert answer.split(b"\r\n")[0].split()[1] == b"200", answer
        assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["raster"] == "small.tif"
        server.process.wait(30)
        assert server.process.returncode == 0
    with sqlite3.connect(server.cache / "service.sqlite") as database:
        names = {name for (name,) in database.execute("SELECT name FROM rasters")}
        (state,) = database.execute("SELECT state FROM jobs WHERE job = ?", (job,)).fetchone()
    database.close()
    assert names == {"small.tif", "sample_scene.tif"}
    assert state == "queued"


def test_the_drain_is_bounded(tmp_path):
    with serve(tmp_path, drain_s=0.5) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            server.process.wait(30)
    assert server.process.returncode == 0
    assert time.monotonic() - started < 15
