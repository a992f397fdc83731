"""Jobs over HTTP for as long as they last: tried again, followed by events, shared by links."""

from __future__ import annotations

import dataclasses
import http.client
import json
import re
import threading
import time

import numpy as np
import pytest
from rasterio.io import MemoryFile

from server.app import find_background
from server.http_server import create_http_server
from server.routes.services import EXTENSION
from tests.routes.fake_engine import SquareGenerator
from tests.routes.support import TOKEN, assert_error, upload, with_token

ASYNC = {"Prefer": "respond-async"}
EVENT = re.compile(r"id: (\w+)\nevent: (\w+)\ndata: (.*)\n\n")


def wait_for(client, job: str, *states: str) -> dict:
    for _ in range(400):
        record = client.get(f"/jobs/{job}").get_json()
        if record["state"] in states:
            return record
        time.sleep(0.02)
    pytest.fail(f"the job is still {record['state']}")


def start_held(client, fake_engine) -> str:
    fake_engine.hold()
    job = client.post("/segment", json={}, headers=ASYNC).get_json()["job"]
    wait_for(client, job, "running")
    return job


@pytest.fixture
def segmented(client, make_raster):
    """The id of a finished job."""
    upload(client, make_raster(size=(64, 48)))
    return client.post("/segment", json={"out_raster": "roofs.tif"}).get_json()["job"]


def test_a_failed_job_is_tried_again_and_tells_what_happened(client, make_raster, fake_engine, settings):
    upload(client, make_raster(size=(64, 48)))
    fake_engine.failure = RuntimeError("a bug")
    job = client.post("/segment", json={}).get_json()
    job = client.get("/jobs").get_json()["jobs"][0]["job"]
    assert wait_for(client, job, "failed")["attempts"] == 1
    fake_engine.failure = None
    response = client.post(f"/jobs/{job}/retry", json={"reason": "more\nmemory"})
    assert (response.status_code, response.headers["Location"]) == (202, f"/jobs/{job}")
    done = wait_for(client, job, "done")
    assert (done["attempts"], done["error"], done["result"]["n_objects"]) == (2, None, 4)
    texts = [line["text"] for line in done["log"]]
    assert texts[:2] == ["waiting", "attempt 1 begins"]
    assert "tried again: more memory" in texts
    assert texts[-1] == "done"
    assert all(line["time"].endswith("Z") for line in done["log"])
    assert_error(client.post(f"/jobs/{job}/retry"), 409, "wrong_moment", "job")
    assert_error(client.post(f"/jobs/{job}/retry", json={"reason": 3}), 400, "bad_parameter", "reason")
    assert_error(client.post("/jobs/unknown/retry"), 404, "no_such_job")
    assert not list(settings.cache_folder.rglob("job-*"))


def test_a_job_whose_raster_is_gone_is_not_tried_again(client, make_raster, fake_engine):
    upload(client, make_raster(size=(64, 48)))
    job = start_held(client, fake_engine)
    client.delete("/rasters/scene.tif")
    wait_for(client, job, "cancelled")
    assert_error(client.post(f"/jobs/{job}/retry"), 404, "no_such_raster", "raster")


class StallingGenerator(SquareGenerator):
    """Answers for three windows, then keeps the worker busy until the job is stopped."""

    def __init__(self) -> None:
        self.n_answers = 0

    def generate(self, rgb, tell):
        while self.n_answers == 3:
            tell(0.1)
            time.sleep(0.01)
        self.n_answers += 1
        return super().generate(rgb, tell)


def test_an_interrupted_job_goes_on_in_the_next_process(start_app, settings, fake_engine, make_raster, monkeypatch):
    first = start_app(settings)
    client = with_token(first)
    upload(client, make_raster(size=(150, 100)))
    make_generator = fake_engine._make_generator
    monkeypatch.setattr(fake_engine, "_make_generator", lambda *_: StallingGenerator())
    job = client.post("/segment", json={}, headers=ASYNC).get_json()["job"]
    deadline = time.monotonic() + 10
    while not list(settings.cache_folder.rglob("*.kept"))[2:] and time.monotonic() < deadline:
        time.sleep(0.01)
    find_background(first).stop(5)
    (kept,) = settings.cache_folder.rglob("job-*")  # finished windows, and nothing half-done
    assert kept.name == f"job-{job}-windows"
    monkeypatch.setattr(fake_engine, "_make_generator", make_generator)
    second = with_token(start_app(settings))
    done = wait_for(second, job, "done")
    assert done["result"]["n_windows"] > done["result"]["n_windows_reused"] == 3
    assert "the server is being stopped; waiting" in [line["text"] for line in done["log"]]
    assert not list(settings.cache_folder.rglob("job-*"))


class BreakingGenerator(SquareGenerator):
    """Answers for three windows, then breaks."""

    def __init__(self) -> None:
        self.n_answers = 0

    def generate(self, rgb, tell):
        self.n_answers += 1
        if self.n_answers > 3:
            raise RuntimeError("a bug")
        return super().generate(rgb, tell)


def test_windows_of_a_failed_job_wait_for_a_retry_but_not_for_ever(
    app, client, settings, fake_engine, make_raster, monkeypatch
):
    upload(client, make_raster(size=(150, 100)))
    make_generator = fake_engine._make_generator
    monkeypatch.setattr(fake_engine, "_make_generator", lambda *_: BreakingGenerator())
    jobs = []
    for _ in range(2):
        client.post("/segment", json={})
        jobs.append(client.get("/jobs").get_json()["jobs"][0]["job"])
    cleaning = find_background(app).cleaning
    cleaning.remove_stale_files(time.time())
    kept = {path.name for path in settings.cache_folder.rglob("job-*")}
    assert kept == {f"job-{job}-windows" for job in jobs}
    monkeypatch.setattr(fake_engine, "_make_generator", make_generator)
    client.post(f"/jobs/{jobs[0]}/retry")
    assert wait_for(client, jobs[0], "done")["result"]["n_windows_reused"] == 3
    assert [path.name for path in settings.cache_folder.rglob("job-*")] == [f"job-{jobs[1]}-windows"]
    cleaning.remove_stale_files(time.time() + settings.stale_file_lifetime_h * 3600 + 60)
    assert not list(settings.cache_folder.rglob("job-*"))


@pytest.mark.parametrize("seen", ["progress", "nothing"])
def test_a_stream_that_lasted_long_enough_ends_without_an_end(client, make_raster, fake_engine, monkeypatch, seen):
    monkeypatch.setattr("server.routes.job_events.LONGEST_STREAM_S", 0.0)
    upload(client, make_raster(size=(64, 48)))
    job = start_held(client, fake_engine)
    last = ""
    if seen == "progress":
        time.sleep(0.3)  # the held job says the same all the time
        ((last, _, _),) = EVENT.findall(client.get(f"/jobs/{job}/events").get_data(as_text=True))
    answer = client.get(f"/jobs/{job}/events", headers={"Last-Event-ID": last}).get_data(as_text=True)
    assert answer.startswith("retry: 1000\n\n")
    assert [kind for _, kind, _ in EVENT.findall(answer)] == ([] if seen == "progress" else ["progress"])


def test_events_of_a_finished_job_are_its_end(client, segmented):
    response = client.get(f"/jobs/{segmented}/events")
    assert response.content_type.startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-store"
    ((event_id, kind, data),) = EVENT.findall(response.get_data(as_text=True))
    assert kind == "end"
    assert json.loads(data)["result"]["n_objects"] == 4
    assert client.get(f"/jobs/{segmented}/events", headers={"Last-Event-ID": event_id}).status_code == 204
    assert client.get(f"/jobs/{segmented}/events", headers={"Last-Event-ID": "other"}).status_code == 200
    assert_error(client.get("/jobs/unknown/events"), 404, "no_such_job")


@pytest.fixture
def served(app, settings, tmp_path):
    """The application behind the real HTTP server; its port."""
    server = create_http_server(
        app, host="127.0.0.1", port=0, n_threads=8, max_upload_bytes=2**20, spool_folder=tmp_path / "spool"
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.effective_port
    server.close()
    thread.join(10)


def open_stream(port: int, job: str, **headers: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", f"/jobs/{job}/events", headers={"Authorization": f"Bearer {TOKEN}", **headers})
    return connection, connection.getresponse()


def read_event(response: http.client.HTTPResponse) -> tuple[str, dict]:
    """Read up to the end of the next event; return its kind and job."""
    lines: dict[str, str] = {}
    while True:
        line = response.readline().decode().rstrip("\n")
        if line == "" and "data" in lines:
            return lines["event"], json.loads(lines["data"])
        name, _, value = line.partition(": ")
        lines[name] = value


def test_events_arrive_while_the_job_runs(served, client, make_raster, fake_engine):
    upload(client, make_raster(size=(64, 48)))
    job = start_held(client, fake_engine)
    connection, response = open_stream(served, job)
    kind, told = read_event(response)
    assert (kind, told["state"]) == ("progress", "running")  # it arrived, although the answer has not ended
    while told["step"] != "held by the test":
        kind, told = read_event(response)
    assert (kind, told["progress"]) == ("progress", 0.25)
    fake_engine.release()
    while kind != "end":
        kind, told = read_event(response)
    assert told["result"]["n_objects"] == 4
    assert response.read() == b""
    connection.close()


def test_streams_never_take_the_threads_of_other_requests(served, app, client, make_raster, fake_engine, monkeypatch):
    monkeypatch.setattr("server.routes.job_events.LOOK_INTERVAL_S", 0.02)
    monkeypatch.setattr("server.routes.job_events.HEARTBEAT_S", 0.05)
    upload(client, make_raster(size=(64, 48)))
    job = start_held(client, fake_engine)
    n_slots = 16 // 4
    streams = [open_stream(served, job) for _ in range(n_slots)]
    assert [response.status for _, response in streams] == [200] * n_slots
    connection, refused = open_stream(served, job)
    assert (refused.status, refused.getheader("Retry-After")) == (429, "10")
    assert json.loads(refused.read())["error"] == "too_frequent"
    connection.close()
    assert client.get(f"/jobs/{job}").status_code == 200  # polling goes on
    for connection, response in streams:
        connection.close()
        response.close()
    slots = app.extensions[EXTENSION].stream_slots
    deadline = time.monotonic() + 10
    while slots._value < n_slots and time.monotonic() < deadline:
        time.sleep(0.02)
    assert slots._value == n_slots  # pages that went away are noticed
    fake_engine.release()


def test_a_stopping_server_ends_its_streams(served, app, client, make_raster, fake_engine):
    upload(client, make_raster(size=(64, 48)))
    job = start_held(client, fake_engine)
    connection, response = open_stream(served, job)
    read_event(response)
    started = time.monotonic()
    find_background(app).stop(5)
    response.read()
    assert time.monotonic() - started < 4
    connection.close()


def test_a_link_opens_the_result_without_a_session(client, app, segmented):
    response = client.post(f"/jobs/{segmented}/share", json={"expires_in_s": 3600})
    assert response.status_code == 201
    link = response.get_json()
    assert re.fullmatch(r"/shared/[\w-]{43}", link["url"])
    assert link["expires"].endswith("Z")
    anyone = app.test_client()
    answer = anyone.get(link["url"])
    assert answer.status_code == 200
    assert "roofs.tif" in answer.headers["Content-Disposition"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers
    with MemoryFile(answer.data) as file, file.open() as raster:
        assert np.unique(raster.read(1)).tolist() == [0, 1, 2, 3, 4]
    collection = anyone.get(link["url"] + "?format=geojson").get_json()
    assert len(collection["features"]) == 4
    assert_error(anyone.get(link["url"] + "?format=exe"), 400, "bad_parameter", "format")
    assert_error(anyone.get(link["url"] + "?raster=other.tif"), 400, "bad_parameter", "raster")
    assert anyone.post(link["url"]).status_code == 405
    token = link["url"].rpartition("/")[2]
    with find_background(app).engine.connect() as connection:
        (stored,) = connection.exec_driver_sql("SELECT digest FROM shared_jobs").scalars()
    assert token not in stored
    assert_error(anyone.get(f"/shared/{stored}"), 404, "no_such_job")


def share(client, job: str) -> str:
    return client.post(f"/jobs/{job}/share").get_json()["url"]


def test_a_link_ends_when_it_is_withdrawn(client, app, segmented):
    urls = [share(client, segmented), share(client, segmented)]
    assert client.delete(f"/jobs/{segmented}/share").get_json() == {"withdrawn": 2}
    for url in urls:
        assert_error(app.test_client().get(url), 404, "no_such_job")
    assert client.delete(f"/jobs/{segmented}/share").get_json() == {"withdrawn": 0}


def test_a_link_ends_with_its_time(client, app, segmented):
    url = share(client, segmented)
    shares = app.extensions[EXTENSION].shares
    week_s = 7 * 24 * 3600
    shares._clock = lambda: time.time() + week_s - 5
    assert app.test_client().get(url).status_code == 200
    shares._clock = lambda: time.time() + week_s + 5
    assert_error(app.test_client().get(url), 404, "no_such_job")


def test_a_link_ends_with_its_raster(client, app, segmented):
    url = share(client, segmented)
    client.delete("/rasters/scene.tif")
    assert_error(app.test_client().get(url), 404, "no_such_job")


def test_a_link_ends_with_its_client(client, app, segmented):
    url = share(client, segmented)
    services = app.extensions[EXTENSION]
    record = services.shares.find(url.rpartition("/")[2])
    services.queue.forget(record.client)
    services.clients.delete(record.client, unseen_since=time.time() + 1)
    assert_error(app.test_client().get(url), 404, "no_such_job")


def test_a_link_shows_the_result_it_was_made_for_and_no_later_one(client, app, segmented):
    url = share(client, segmented)
    client.post("/segment", json={})
    assert "no more" in assert_error(app.test_client().get(url), 404, "no_such_job")
    assert_error(client.post(f"/jobs/{segmented}/share"), 409, "wrong_moment", "job")


def test_only_the_owner_shares_and_only_what_is_finished(start_app, settings, fake_engine, make_raster):
    app = start_app(dataclasses.replace(settings, human_check=False))
    client, stranger = with_token(app), app.test_client()
    upload(client, make_raster(size=(64, 48)))
    job = start_held(client, fake_engine)
    assert_error(client.post(f"/jobs/{job}/share"), 409, "wrong_moment", "job")
    fake_engine.release()
    wait_for(client, job, "done")
    for request in (stranger.post, stranger.delete):
        assert_error(request(f"/jobs/{job}/share"), 404, "no_such_job")
    for seconds in (0, 10**9, "long"):
        answer = client.post(f"/jobs/{job}/share", json={"expires_in_s": seconds})
        assert_error(answer, 400, "bad_parameter", "expires_in_s")
    assert_error(stranger.get("/shared/" + "A" * 43), 404, "no_such_job")


def test_links_per_job_are_bounded(client, app, segmented, monkeypatch):
    monkeypatch.setattr("server.jobs.sharing.MAX_LINKS_PER_JOB", 2)
    urls = [share(client, segmented) for _ in range(3)]
    assert [app.test_client().get(url).status_code for url in urls] == [404, 200, 200]


def test_the_number_of_waiting_jobs_is_bounded(start_app, settings, fake_engine, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, max_waiting_jobs=1)))
    upload(client, make_raster(size=(64, 48)))
    start_held(client, fake_engine)
    assert client.post("/segment", json={}, headers=ASYNC).status_code == 202
    response = client.post("/segment", json={}, headers=ASYNC)
    assert "of all visitors" in assert_error(response, 429, "too_frequent")
