"""Rasters and side files come in by any name and in any order, and nothing else does."""

from __future__ import annotations

import dataclasses
import io
import struct

import pytest

from server.settings import make_settings
from tests.routes.support import assert_error, upload, with_token

WORLD_FILE = "2.0\n0.0\n0.0\n-2.0\n1000.0\n5000.0\n"


def send(client, name: str, content: bytes, route: str = "/upload"):
    return client.post(route, data={"file": (io.BytesIO(content), name)}, content_type="multipart/form-data")


def left_behind(settings) -> list[str]:
    """Names of files and folders of unfinished uploads."""
    staging = settings.cache_folder / "staging"
    return [path.name for path in staging.rglob("*")] if staging.exists() else []


def test_an_upload_answers_with_its_metadata(client, make_raster, settings):
    response = upload(client, make_raster(bands=4, dtype="uint16", size=(70, 50)))
    content = response.get_json()
    assert response.status_code == 200
    assert content["raster"] == "scene.tif"
    assert (content["meta"]["width"], content["meta"]["height"], content["meta"]["band_count"]) == (70, 50, 4)
    assert content["meta"]["crs"]["epsg"] == 32650
    assert client.get("/raster_meta").get_json() == content["meta"]
    assert left_behind(settings) == []


def test_several_rasters_live_side_by_side(client, make_raster):
    upload(client, make_raster("a.tif", size=(20, 10)))
    upload(client, make_raster("b.tif", size=(30, 10)))
    names = [item["raster"] for item in client.get("/rasters").get_json()["rasters"]]
    assert names == ["b.tif", "a.tif"]
    assert client.get("/raster_meta").get_json()["width"] == 30
    assert client.get("/raster_meta?raster=a.tif").get_json()["width"] == 20
    assert client.delete("/rasters/b.tif").status_code == 200
    assert client.get("/raster_meta").get_json()["width"] == 20
    assert_error(client.get("/raster_meta?raster=b.tif"), 404, "no_such_raster", "raster")


@pytest.mark.parametrize(
    "name",
    [
        "../../escape.tif",
        "/etc/escape.tif",
        "..\\..\\escape.tif",
        "a/b/escape.tif",
        "..",
        ".hidden.tif",
        "场景 1.tif",
        "x" * 300 + ".tif",
        "a\x00b.tif",
    ],
)
def test_a_name_never_becomes_a_path(client, make_raster, settings, tmp_path, name):
    path = make_raster("plain.tif")
    response = upload(client, path, name)
    assert response.status_code in (200, 400)
    if response.status_code == 200:
        given = response.get_json()["raster"]
        assert "/" not in given
        assert "\\" not in given
        assert client.get("/raster_meta", query_string={"raster": given}).status_code == 200
    assert list(tmp_path.rglob("*escape*")) == []


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_world_file_counts_whenever_it_comes(client, make_raster, order):
    raster = make_raster("plain.png", driver="PNG", crs=None)
    if order == "before":
        assert send(client, "plain.pgw", WORLD_FILE.encode(), "/upload_cfg").get_json() == {
            "files": ["plain.pgw"],
            "raster": None,
        }
        assert upload(client, raster).status_code == 200
    else:
        assert upload(client, raster).status_code == 200
        answer = send(client, "plain.pgw", WORLD_FILE.encode(), "/upload_cfg").get_json()
        assert answer == {"files": ["plain.pgw"], "raster": "plain.png"}
    meta = client.get("/raster_meta").get_json()
    assert meta["transform"][:6] == pytest.approx([2, 0, 999, 0, -2, 5001])
    assert meta["side_files"] == ["plain.pgw"]


def test_side_files_do_not_delete_other_rasters(client, make_raster):
    upload(client, make_raster("a.tif"))
    send(client, "b.tfw", WORLD_FILE.encode(), "/upload_cfg")
    assert client.get("/raster_meta?raster=a.tif").status_code == 200


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.exe", b"MZ"), ("a.tfw", b"not six numbers"), ("a.tif", b"II*\0"), ("a.vrt", b"<VRTDataset/>")],
)
def test_a_wrong_side_file_is_refused(client, make_raster, settings, name, content):
    upload(client, make_raster("a.tif", crs=None))
    assert_error(send(client, name, content, "/upload_cfg"), 400, "bad_parameter", "file")
    assert left_behind(settings) == []


VRT = b"""<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename>/etc/passwd</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"""


def claimed_giant() -> bytes:
    """A GeoTIFF header that claims 400,000 x 400,000 pixels in a file of 10 kB."""
    tags = [(256, 4, 1, 400_000), (257, 4, 1, 400_000), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 200), (277, 3, 1, 1), (278, 4, 1, 400_000), (279, 4, 1, 9_000)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + b"\0" * 4).ljust(10_240, b"\0")


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("a.vrt", VRT, 415, "not_a_raster"),
        ("a.tif", VRT, 415, "not_a_raster"),
        ("a.tif", b"", 415, "not_a_raster"),
        ("a.tif", b"hello" * 100, 415, "not_a_raster"),
        ("a.tif", claimed_giant(), 413, "too_large"),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "not_a_raster"),
        ("a.xml", b'<GDAL_WMS><Service name="TMS"/></GDAL_WMS>', 415, "not_a_raster"),
    ],
)
def test_what_is_no_raster_is_refused(client, settings, name, content, status, code):
    response = send(client, name, content)
    assert_error(response, status, code, response.get_json()["field"])
    assert client.get("/rasters").get_json()["rasters"] == []
    assert left_behind(settings) == []


def test_a_truncated_tiff_is_refused(client, make_raster):
    content = make_raster(size=(350, 350)).read_bytes()
    for share in (0.3, 0.9):
        response = send(client, "cut.tif", content[: int(len(content) * share)])
        assert_error(response, 415, "not_a_raster", response.get_json()["field"])


def test_a_file_over_the_byte_limit_is_refused(start_app, settings, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, max_upload_bytes=2000)))
    response = upload(client, make_raster(size=(200, 200)))
    sentence = assert_error(response, 413, "too_large", "file")
    assert "2,000" in sentence
    assert left_behind(settings) == []


def test_the_quota_is_per_client(start_app, settings, make_raster):
    app = start_app(dataclasses.replace(settings, client_quota_bytes=60_000, human_check=False))
    client = with_token(app)
    assert upload(client, make_raster("a.tif", size=(100, 120))).status_code == 200
    assert_error(upload(client, make_raster("b.tif", size=(100, 120))), 413, "quota_exceeded", None)
    assert upload(app.test_client(), make_raster("b.tif", size=(100, 120))).status_code == 200
    assert client.delete("/rasters/a.tif").status_code == 200
    assert upload(client, make_raster("b.tif", size=(100, 120))).status_code == 200


def test_requests_without_a_file_say_so(client):
    for route in ("/upload", "/upload_cfg"):
        assert_error(client.post(route), 400, "bad_parameter", "file")
        assert_error(client.post(route, data={"other": "x"}), 400, "bad_parameter", "file")


def test_another_client_sees_nothing(start_app, settings, make_raster):
    app = start_app(dataclasses.replace(settings, human_check=False))
    upload(with_token(app), make_raster())
    stranger = app.test_client()
    assert stranger.get("/rasters").get_json()["rasters"] == []
    for route in ("/raster_meta?raster=scene.tif", "/download?raster=scene.tif", "/tiles/scene.tif/tilejson.json"):
        assert_error(stranger.get(route), 404, "no_such_raster", "raster")


def test_the_cache_is_never_served(client, make_raster, settings):
    upload(client, make_raster())
    stored = next(settings.cache_folder.rglob("source.tif")).relative_to(settings.cache_folder)
    for route in (f"/cache/{stored}", f"/{stored}", f"/assets/../{stored}", f"/assets/%2e%2e/{stored}"):
        assert client.get(route).status_code == 404


def test_the_sample_scene_comes_like_an_upload(client):
    content = client.post("/sample").get_json()
    assert content["raster"] == "sample_scene.tif"
    assert content["meta"]["band_count"] == 4
    assert content["meta"]["crs"]["epsg"] == 32650


def test_state_survives_a_restart(start_app, settings, make_raster):
    first = start_app(settings)
    cookie = with_token(first)
    upload(cookie, make_raster())
    again = with_token(
        start_app(
            make_settings(
                {"cache_folder": str(settings.cache_folder), "api_tokens": list(settings.api_tokens)},
                settings.cache_folder,
            )
        )
    )
    assert again.get("/raster_meta").get_json()["raster"] == "scene.tif"
