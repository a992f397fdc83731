"""Two real processes behind one port: they count together, replace each other, and end in order.

What one begins and the other goes on with is in `test_shared_state.py`, where nobody has to wait for processes.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.outside_servers import run_redis
from tests.processes.gunicorn import list_workers, read_log, serve_together, start_gunicorn, write_configuration
from tests.serving import TOKEN

N_AT_ONCE = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("gunicorn")


@pytest.fixture(scope="module")
def server(folder):
    with run_redis(folder) as broker:
        queue = {"engine": "celery", "broker": broker.url}
        with serve_together(folder, queue=queue, limits_storage=broker.url, segment_wait_s=0) as running:
            yield running


def connect(server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)


def test_both_processes_answer_and_their_counts_are_added(server, folder):
    expected = {f"counter_{pid}.db" for pid in list_workers(server)}
    # Which one takes a connection is the system's choice: several at once are shared out, sooner or later.
    n_asked, deadline = 0, time.monotonic() + 30
    while {path.name for path in folder.glob("segment-anything-rs-figures-*/counter_*.db")} != expected:
        assert time.monotonic() < deadline
        with ThreadPoolExecutor(N_AT_ONCE) as pool:
            statuses = pool.map(lambda _: server.json("GET", "/checkpoints")[0], range(N_AT_ONCE))
        assert list(statuses) == [200] * N_AT_ONCE
        n_asked += N_AT_ONCE
    figures = server.request("GET", "/metrics")[1].decode()
    counted = [line for line in figures.splitlines() if 'route="/checkpoints"' in line and "requests_total" in line]
    assert [float(line.split()[-1]) for line in counted] == [n_asked]


def test_a_proxy_nobody_named_is_not_believed(server):
    """By itself gunicorn believes one on this machine."""
    connection = connect(server)
    connection.request("GET", "/", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})
    assert "Secure" not in connection.getresponse().headers["Set-Cookie"]
    connection.close()


def test_a_body_of_unknown_size_is_refused_before_it_is_read(server):
    connection = connect(server)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", "/segment", iter([b"{}"]), headers, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 411
    assert json.loads(response.read())["error"] == "length_required"
    connection.close()


def test_a_killed_process_is_replaced(server):
    victim = list_workers(server)[0]
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while victim in list_workers(server) or len(list_workers(server)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [server.json("GET", "/health")[0] for _ in range(4)] == [200] * 4


def test_a_stop_ends_streams_and_leaves_nothing(server, folder, make_raster):
    """The last test of this module: it stops the server."""
    assert server.upload(make_raster())[0] == 200
    job = server.json("POST", "/segment", {})[1]["job"]
    stream = connect(server)
    stream.request("GET", f"/jobs/{job}/events", headers={"Authorization": f"Bearer {TOKEN}"})
    response = stream.getresponse()
    assert response.readline().startswith(b"retry")
    server.process.send_signal(signal.SIGTERM)
    assert b"queued" in response.read()
    assert server.process.wait(20) == 0
    stream.close()
    assert not list(folder.glob("segment-anything-rs-figures-*"))
    assert "Traceback" not in read_log(folder)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "ultimate.py worker"),
        (
            {
                "queue": {"engine": "celery", "broker": "redis://127.0.0.1:1/0"},
                "database": "postgresql://somebody:secret@127.0.0.1:1/nothing",
            },
            "cannot be used",
        ),
    ],
)
def test_wrong_settings_stop_the_start_with_a_sentence(tmp_path, settings, named):
    process = start_gunicorn(write_configuration(tmp_path, **settings))
    assert process.wait(60) == 1
    said = read_log(tmp_path)
    assert named in said
    assert "Traceback" not in said
    assert "secret" not in said
