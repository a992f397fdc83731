"""Datasets from boxes over HTTP: what archives are refused, what becomes of good ones, and how they end."""

from __future__ import annotations

import io
import json
import stat
import zipfile

import pytest

from server.app import find_background
from tests.routes.dataset_archives import encode_image, pack, scene_files, send, wait_until_built, write_labels
from tests.routes.support import assert_error, with_token

ABSENT = "0" * 32


def read_zip(response) -> zipfile.ZipFile:
    assert response.status_code == 200, response.get_data(as_text=True)
    archive = zipfile.ZipFile(io.BytesIO(response.data))
    assert archive.testzip() is None
    return archive


def entry(name: str, *, mode: int = stat.S_IFREG | 0o644, flags: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.flag_bits = flags
    return info


def test_an_archive_becomes_a_dataset(client):
    response = send(client, pack(scene_files()))
    assert response.status_code == 202
    queued = response.get_json()
    assert response.headers["Location"] == f"/jobs/{queued['job']['job']}"
    assert (queued["name"], queued["job"]["kind"], queued["job"]["raster"]) == ("scenes.zip", "dataset", None)
    built = wait_until_built(client, queued["id"])
    assert built["state"] == "done", built["job"]
    summary = built["summary"]
    assert (summary["n_images"], summary["n_in"], summary["n_kept"]) == (2, 6, 5)
    assert summary["rejected"] == {"no_mask": 1}
    assert summary["classes"] == [{"name": "car", "n_in": 4, "n_kept": 3}, {"name": "bus", "n_in": 2, "n_kept": 2}]
    assert summary["mean_predicted_iou"] == pytest.approx(0.95 - (10 + 35 + 10 + 10 + 6) / 500, abs=1e-4)
    assert built["review"] == {
        "open": 5, "accepted": 0, "rejected": 0, "gated": 1, "corrected": 0, "classes": {"bus": 2, "car": 3},
    }  # fmt: skip
    archive = read_zip(client.get(f"/datasets/{queued['id']}/download"))
    coco = json.loads(archive.read("instances.json"))
    assert len(coco["annotations"]) == 5
    assert {item["file_name"] for item in coco["images"]} == {"a.png", "b.png"}
    assert {"masks/a.png", "masks/b.png", "instances/a.png", "README.md", "manifest.json"} <= set(archive.namelist())
    assert "scenes" in archive.read("README.md").decode()
    listed = client.get("/datasets").get_json()["datasets"]
    assert [item["id"] for item in listed] == [queued["id"]]
    assert client.delete(f"/datasets/{queued['id']}").status_code == 200
    assert client.get("/datasets").get_json() == {"datasets": []}
    assert_error(client.get(f"/datasets/{queued['id']}"), 404, "no_such_dataset", "dataset")


def test_options_reach_the_builder(client):
    fields = {"classes": "lorry\nbus", "min_iou": "0.7", "validation": "0", "test": "0.5", "multimask": "false"}
    built = wait_until_built(client, send(client, pack(scene_files()), **fields).get_json()["id"])
    assert [item["name"] for item in built["summary"]["classes"]] == ["lorry", "bus"]
    assert built["summary"]["rejected"] == {"low_predicted_iou": 1, "no_mask": 1}
    archive = read_zip(client.get(f"/datasets/{built['id']}/download"))
    parts = json.loads(archive.read("splits.json"))["parts"]
    assert sorted(parts.values()) == ["test", "training"]


def test_bad_archives_are_refused_at_once(client):
    cases = [
        ([(entry("../a.png"), b"x")], "'../a.png' that points outside"),
        ([(entry("/etc/a.png"), b"x")], "points outside"),
        ([(entry("c:\\a.png"), b"x")], "points outside"),
        ([(entry("a.png", mode=stat.S_IFLNK | 0o777), b"/etc")], "holds a link, 'a.png'"),
        ([(entry("a" * 240 + ".png"), b"x")], "too long or cannot be shown"),
        ({"a.txt": "0 0.5 0.5 1 1"}, "holds no images; expected files ending in"),
        ({"a.png": b"x", "b.bmp": b"x"}, "holds no labels; expected files ending in .csv"),
        ({}, "holds no images"),
    ]
    for files, told in cases:
        assert told in assert_error(send(client, pack(files)), 400, "bad_parameter", "file")
    bomb = pack({"a.tif": bytes(70 * 2**20), "a.txt": ""})
    assert "more than 200 times as much" in assert_error(send(client, bomb), 413, "too_large", "file")
    assert client.get("/datasets").get_json() == {"datasets": []}


def test_what_is_no_archive_is_refused(client):
    assert "is not a zip archive" in assert_error(send(client, b"no archive"), 400, "bad_parameter", "file")
    assert_error(client.post("/datasets", data={"format": "yolo"}), 400, "bad_parameter", "file")


def test_an_encrypted_archive_is_refused(client):
    packed = bytearray(pack({"a.png": encode_image("a")}))
    packed[packed.index(b"PK\x01\x02") + 8] |= 1  # the flag of the table of contents
    assert "without a password" in assert_error(send(client, bytes(packed)), 400, "bad_parameter", "file")


def test_bad_options_are_refused_at_once(client):
    for fields, field in (
        ({"format": "kitti"}, "format"),
        ({"prompt": "box+circle"}, "prompt"),
        ({"min_iou": "2"}, "min_iou"),
        ({"min_area_ratio": "3"}, "min_area_ratio"),
        ({"validation": "0.7", "test": "0.7"}, "validation"),
        ({"colour": "red"}, "colour"),
        ({"checkpoint": "absent"}, "checkpoint"),
        ({"classes": "a" * 201}, "classes"),
    ):
        assert_error(send(client, pack(scene_files()), **fields), 400, "bad_parameter", field)
    assert client.get("/datasets").get_json() == {"datasets": []}


def test_what_is_wrong_inside_fails_the_job(client):
    cases = [
        (
            {"set/images/a.png": b"GIF89a no picture", "set/images/b.png": b""},
            {},
            "bad_dataset",
            "None of the 2 images can be read. a.png is left out: The file has none of the allowed formats",
        ),
        ({"set/labels/a.txt": "0 0.5 0.5"}, {}, "bad_dataset", "a.txt, line 1"),
        ({}, {"format": "dior"}, "bad_dataset", "has a .xml file of its name"),
        ({}, {"format": "coco"}, "bad_dataset", "needs one file ending in .json; the archive holds none"),
        ({"set/b.json": "<OGRVRTDataSource/>"}, {"format": "geojson"}, "bad_parameter", "known vector formats"),
    ]
    for changes, fields, code, told in cases:
        dataset = send(client, pack({**scene_files(), **changes}), **fields).get_json()["id"]
        built = wait_until_built(client, dataset)
        assert built["state"] == "failed"
        assert built["job"]["error"]["error"] == code
        assert told in built["job"]["error"]["message"]
        assert "/clients/" not in built["job"]["error"]["message"], "where the server keeps files is nobody's business"
        assert_error(client.get(f"/datasets/{dataset}/download"), 409, "wrong_moment", "dataset")
        assert client.delete(f"/datasets/{dataset}").status_code == 200


def test_a_damaged_image_is_left_out_and_told(client):
    whole = encode_image("a")
    for damaged in (b"GIF89a no picture", whole[: len(whole) // 2]):
        files = {**scene_files(), "set/images/a.png": damaged}
        built = wait_until_built(client, send(client, pack(files)).get_json()["id"])
        assert built["state"] == "done", built["job"]
        assert (built["summary"]["n_images"], built["summary"]["n_in"]) == (1, 3)
        assert built["summary"]["notes"][0].startswith("a.png is left out: The file ")
        archive = read_zip(client.get(f"/datasets/{built['id']}/download"))
        assert [item["file_name"] for item in json.loads(archive.read("instances.json"))["images"]] == ["b.png"]
        assert "masks/a.png" not in archive.namelist()
        assert "Images left out, as they cannot be read | 1" in archive.read("README.md").decode()


def test_the_report_is_a_page_that_runs_nothing(client):
    files = {**scene_files(), "set/classes.txt": "<script>alert(1)</script>\nbus\n"}
    dataset = send(client, pack(files)).get_json()["id"]
    wait_until_built(client, dataset)
    response = client.get(f"/datasets/{dataset}/report")
    assert (response.status_code, response.mimetype) == (200, "text/html")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")
    assert response.headers["Cross-Origin-Opener-Policy"] == "unsafe-none", "sandboxed pages may ask for nothing else"
    page = response.get_data(as_text=True)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "5 instances kept" in page
    archive = read_zip(client.get(f"/datasets/{dataset}/download"))
    assert archive.read("report.html").decode() == page


def test_files_of_no_use_are_left_out(client):
    files = {**scene_files(), "__MACOSX/set/._a.png": b"x", "set/notes.pdf": b"x", "set/.hidden.txt": "x"}
    built = wait_until_built(client, send(client, pack(files)).get_json()["id"])
    assert built["state"] == "done"
    assert built["summary"]["n_files_left_out"] == 3


def test_files_side_by_side_and_names_from_windows(client):
    files = {"set\\a.png": encode_image("a"), "set\\a.txt": write_labels("a")}
    built = wait_until_built(client, send(client, pack(files)).get_json()["id"])
    assert built["state"] == "done", built["job"]
    assert [item["name"] for item in built["summary"]["classes"]] == ["class 0", "class 1"]


def test_others_datasets_do_not_exist(start_app, settings):
    app = start_app(settings.__class__(**{**vars(settings), "api_tokens": (*settings.api_tokens, "another token")}))
    mine = with_token(app)
    dataset = send(mine, pack(scene_files())).get_json()["id"]
    wait_until_built(mine, dataset)
    theirs = with_token(app)
    theirs.environ_base["HTTP_AUTHORIZATION"] = "Bearer another token"
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/download"),
        ("GET", "/report"),
        ("GET", "/objects"),
        ("POST", "/objects/1"),
    ):
        body = {"state": "accepted"} if method == "POST" else None
        response = theirs.open(f"/datasets/{dataset}{path}", method=method, json=body)
        assert_error(response, 404, "no_such_dataset", "dataset")
    assert theirs.get("/datasets").get_json() == {"datasets": []}
    assert mine.get(f"/datasets/{dataset}").status_code == 200


def test_deleting_stops_the_job(client, fake_engine):
    fake_engine.hold()
    queued = send(client, pack(scene_files())).get_json()
    assert client.delete(f"/datasets/{queued['id']}").status_code == 200
    assert client.get(f"/jobs/{queued['job']['job']}").get_json()["state"] == "cancelled"
    assert client.get("/datasets").get_json() == {"datasets": []}


def test_the_archive_counts_in_the_quota(start_app, settings):
    small = settings.__class__(**{**vars(settings), "client_quota_bytes": 20_000})
    client = with_token(start_app(small))
    files = {**scene_files(), "set/more.txt": "0" * 50_000}
    built = wait_until_built(client, send(client, pack(files)).get_json()["id"])
    assert built["job"]["error"]["error"] == "quota_exceeded"


def test_a_restart_goes_on(start_app, settings, fake_engine):
    fake_engine.hold()
    app = start_app(settings)
    queued = send(with_token(app), pack(scene_files())).get_json()
    find_background(app).stop(5)
    fake_engine.release()
    again = with_token(start_app(settings))
    built = wait_until_built(again, queued["id"])
    assert built["state"] == "done"
    assert built["summary"]["n_kept"] == 5
