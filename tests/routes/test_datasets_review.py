"""Review of a dataset over HTTP: order, pictures, decisions, corrections, and what the download makes of them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import cv2
import numpy as np
import pytest
from pycocotools import mask as run_lengths

from tests.routes.dataset_archives import pack, scene_files, send, wait_until_built
from tests.routes.support import assert_error

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def dataset(client) -> str:
    """Address of a finished dataset: heights 10, 35, 10 in a; 10, 6 and a dark box in b."""
    queued = send(client, pack(scene_files())).get_json()["id"]
    assert wait_until_built(client, queued)["state"] == "done"
    return f"/datasets/{queued}"


def list_objects(client, dataset, **query):
    answer = client.get(f"{dataset}/objects", query_string=query)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def find(client, dataset, box):
    """Return the object whose box is the given one."""
    for gate in ("passed", "rejected"):
        for item in list_objects(client, dataset, state="all", gate=gate)["objects"]:
            if np.allclose(item["box"], box, atol=0.01):
                return item
    raise AssertionError(f"no object has the box {box}")


def decide(client, dataset, item, **body):
    answer = client.post(f"{dataset}/objects/{item['id']}", json=body)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def download(client, dataset) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(client.get(f"{dataset}/download").data))


def read_map(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_UNCHANGED)


def read_classes(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    from PIL import Image  # OpenCV would turn the palette into colours

    return np.asarray(Image.open(io.BytesIO(archive.read(f"masks/{name}.png"))))


def test_lowest_scores_come_first(client, dataset):
    listed = list_objects(client, dataset)
    assert listed["total"] == 5
    scores = [item["predicted_iou"] for item in listed["objects"]]
    assert scores == sorted(scores)
    first = listed["objects"][0]
    assert (first["image"], first["class"], first["state"], first["gate"]) == ("a.png", "bus", "open", None)
    assert first["bbox"] == [50, 5, 10, 35]
    assert first["box"] == pytest.approx([50, 5, 60, 40])
    second_page = list_objects(client, dataset, offset=1, limit=2)
    assert [item["id"] for item in second_page["objects"]] == [item["id"] for item in listed["objects"][1:3]]
    assert list_objects(client, dataset, **{"class": "bus"})["total"] == 2
    by_place = list_objects(client, dataset, order="place")["objects"]
    assert [item["id"] for item in by_place] == sorted(item["id"] for item in by_place)
    assert [item["gate"] for item in list_objects(client, dataset, gate="rejected")["objects"]] == ["no_mask"]


def test_a_picture_shows_the_object(client, dataset):
    item = list_objects(client, dataset)["objects"][0]
    pictures = {}
    for outline in ("true", "false"):
        answer = client.get(f"{dataset}/objects/{item['id']}/picture", query_string={"outline": outline})
        assert answer.mimetype == "image/png"
        pictures[outline] = cv2.imdecode(np.frombuffer(answer.data, np.uint8), cv2.IMREAD_COLOR)
    shape = pictures["true"].shape
    assert pictures["false"].shape == shape
    left, top, width, height = item["view"]
    assert shape[0] / shape[1] == pytest.approx(height / width, abs=0.01)
    scale = shape[1] / width
    middle = [round((value - start) * scale) for value, start in zip((55, 22), (left, top), strict=True)]
    assert (pictures["true"][middle[1], middle[0]] == pictures["false"][middle[1], middle[0]]).all()
    differs = (pictures["true"] != pictures["false"]).any(axis=2)
    rows, cols = np.nonzero(differs)
    assert abs(cols.min() / scale + left - 50) < 1
    assert abs(rows.max() / scale + top - 40) < 1


def test_without_decisions_the_export_is_what_was_built(client, dataset):
    archive = download(client, dataset)
    assert not any("review" in item for item in json.loads(archive.read("instances.json"))["annotations"])
    assert check_manifest(archive) == len(archive.namelist()) - 1


def check_manifest(archive: zipfile.ZipFile) -> int:
    rows = json.loads(archive.read("manifest.json"))["files"]
    for row in rows:
        content = archive.read(row["file"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (row["bytes"], row["sha256"]), row["file"]
    return len(rows)


def test_rejected_objects_leave_masks_and_coco(client, dataset):
    item = find(client, dataset, (10, 10, 30, 20))
    answer = decide(client, dataset, item, state="rejected")
    assert answer["object"]["state"] == "rejected"
    assert (answer["review"]["open"], answer["review"]["rejected"]) == (4, 1)
    archive = download(client, dataset)
    coco = json.loads(archive.read("instances.json"))
    assert len(coco["annotations"]) == 4
    assert [10, 10, 20, 10] not in [annotation["bbox"] for annotation in coco["annotations"]]
    rejected = {row["rejected"]: row for row in json.loads(archive.read("rejected.json"))["annotations"]}
    assert rejected["review"]["bbox"] == [10, 10, 20, 10]
    assert (read_classes(archive, "a")[10:20, 10:30] == 255).all()
    assert (read_map(archive, "instances/a.png")[10:20, 10:30] == 0).all()
    assert (read_classes(archive, "a")[5:40, 50:60] == 1).all(), "others stay"
    assert check_manifest(archive) == len(archive.namelist()) - 1
    assert "1 rejected" in archive.read("README.md").decode()
    report = client.get(f"{dataset}/report").get_data(as_text=True)
    assert "<dt>Instances</dt><dd>4</dd>" in report
    assert "1 rejected" in report
    decide(client, dataset, item, state="open")
    archive = download(client, dataset)
    assert (read_classes(archive, "a")[10:20, 10:30] == 0).all()
    assert len(json.loads(archive.read("instances.json"))["annotations"]) == 5


def test_a_dataset_of_an_earlier_version_gets_its_report(client, dataset, settings):
    for report in settings.cache_folder.rglob("report.html"):
        report.unlink()
    assert client.get(f"{dataset}/report").status_code == 200
    assert len(list(settings.cache_folder.rglob("report.html"))) == 1


def test_accepted_objects_are_marked(client, dataset):
    item = list_objects(client, dataset)["objects"][0]
    decide(client, dataset, item, state="accepted")
    assert list_objects(client, dataset)["total"] == 4
    assert [row["id"] for row in list_objects(client, dataset, state="accepted")["objects"]] == [item["id"]]
    annotations = json.loads(download(client, dataset).read("instances.json"))["annotations"]
    assert [row["bbox"] for row in annotations if row.get("review") == "accepted"] == [item["bbox"]]
    assert len(annotations) == 5


def test_clicks_replace_a_mask(client, dataset):
    """A click outside of the box takes the box away, so the bright area under the click is the object."""
    item = find(client, dataset, (10, 10, 30, 20))
    points = [[55, 20, 1]]
    answer = decide(client, dataset, item, points=points)
    found = answer["object"]
    assert (found["state"], found["is_corrected"], found["points"]) == ("accepted", True, points)
    assert found["bbox"] == [50, 5, 10, 35]
    assert answer["review"]["corrected"] == 1
    archive = download(client, dataset)
    rows = json.loads(archive.read("instances.json"))["annotations"]
    corrected = next(row for row in rows if row.get("review") == "corrected")
    assert corrected["area"] == 350
    assert corrected["prompt"] == "clicks"
    mask = run_lengths.decode(corrected["segmentation"])
    assert mask[5:40, 50:60].all()
    assert mask.sum() == 350
    assert (read_classes(archive, "a")[10:20, 10:30] == 255).all()
    assert check_manifest(archive) == len(archive.namelist()) - 1
    restored = decide(client, dataset, item, state="open")["object"]
    assert (restored["bbox"], restored["is_corrected"], restored["points"]) == ([10, 10, 20, 10], False, [])


def test_the_box_goes_with_clicks_inside_of_it(client, dataset, fake_engine):
    item = find(client, dataset, (10, 10, 30, 20))
    decide(client, dataset, item, points=[[12, 12, 1], [50, 50, 0]])
    assert fake_engine.asked[-1].given.box == pytest.approx([10, 10, 30, 20])
    decide(client, dataset, item, points=[[55, 20, 1]])
    assert fake_engine.asked[-1].given.box is None


def test_what_the_gate_rejected_may_come_in(client, dataset):
    item = list_objects(client, dataset, gate="rejected")["objects"][0]
    refused = client.post(f"{dataset}/objects/{item['id']}", json={"state": "accepted"})
    assert_error(refused, 409, "wrong_moment", "state")
    decide(client, dataset, item, points=[[45, 33, 1]])  # the bright rectangle that lies beside it
    archive = download(client, dataset)
    assert len(json.loads(archive.read("instances.json"))["annotations"]) == 6
    assert json.loads(archive.read("rejected.json"))["annotations"] == []


def test_bad_decisions_change_nothing(client, dataset):
    item = find(client, dataset, (10, 10, 30, 20))
    for body, field in (
        ({}, "state"),
        ({"state": "accepted", "points": [[1, 1, 1]]}, "state"),
        ({"state": "perhaps"}, "state"),
        ({"points": []}, "points"),
        ({"points": [[1, 1]]}, "points"),
        ({"points": [[1, 1, 2]]}, "points"),
        ({"points": [[500, 1, 1]]}, "points"),
        ({"points": [[5, 70, 1]]}, "points"),
    ):
        response = client.post(f"{dataset}/objects/{item['id']}", json=body)
        assert_error(response, 400, "bad_parameter", field)
    assert list_objects(client, dataset)["total"] == 5


def test_unknown_objects_and_queries(client, dataset):
    assert_error(client.post(f"{dataset}/objects/99", json={"state": "open"}), 404, "no_such_dataset", "number")
    assert_error(client.get(f"{dataset}/objects/99/picture"), 404, "no_such_dataset", "number")
    assert_error(client.get(f"{dataset}/objects?order=size"), 400, "bad_parameter", "order")
    assert_error(client.get(f"{dataset}/objects?limit=1000"), 400, "bad_parameter", "limit")


def test_decisions_survive_a_restart(start_app, settings, client, dataset):
    item = list_objects(client, dataset)["objects"][0]
    decide(client, dataset, item, state="rejected")
    again = start_app(settings).test_client()
    again.environ_base.update(client.environ_base)
    assert [row["id"] for row in list_objects(again, dataset, state="rejected")["objects"]] == [item["id"]]
