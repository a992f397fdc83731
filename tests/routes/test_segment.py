"""`/segment` from request to georeferenced result, over HTTP, with progress, cancel and every refusal."""

from __future__ import annotations

import dataclasses
import io
import json
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from server.segmentation.parameters import PARAMETERS
from server.segmentation.whole_raster.segmenting import SegmentRequest
from tests.routes.support import assert_error, upload, with_token

ASYNC = {"Prefer": "respond-async"}


def wait_for(client, job: str, *states: str) -> dict:
    for _ in range(400):
        record = client.get(f"/jobs/{job}").get_json()
        if record["state"] in states:
            return record
        time.sleep(0.02)
    pytest.fail(f"the job is still {record['state']}")


def test_a_short_job_answers_200_with_its_result(client, make_raster):
    upload(client, make_raster(size=(64, 48)))
    response = client.post("/segment", json={})
    content = response.get_json()
    assert response.status_code == 200, content
    assert content["state"] == "done"
    assert content["n_objects"] == 4
    assert client.get("/rasters").get_json()["rasters"][0]["result"]["n_objects"] == 4


def test_a_long_job_answers_202_and_is_followed(start_app, settings, fake_engine, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, segment_wait_s=0.1)))
    upload(client, make_raster())
    fake_engine.hold()
    response = client.post("/segment", json={})
    content = response.get_json()
    assert response.status_code == 202
    assert response.headers["Location"] == f"/jobs/{content['job']}"
    running = wait_for(client, content["job"], "running")
    assert set(running) >= {
        "job",
        "kind",
        "state",
        "progress",
        "step",
        "created",
        "started",
        "finished",
        "eta_s",
        "error",
        "result",
    }
    assert client.get("/health").get_json()["jobs_running"] == 1
    fake_engine.release()
    done = wait_for(client, content["job"], "done")
    assert done["progress"] == 1
    assert done["result"]["n_objects"] == 4


def test_prefer_respond_async_always_gets_202(client, make_raster):
    upload(client, make_raster())
    response = client.post("/segment", json={}, headers=ASYNC)
    assert response.status_code == 202
    wait_for(client, response.get_json()["job"], "done")


def test_a_cancelled_job_leaves_nothing(client, make_raster, fake_engine, settings):
    upload(client, make_raster())
    fake_engine.hold()
    job = client.post("/segment", json={}, headers=ASYNC).get_json()["job"]
    wait_for(client, job, "running")
    assert client.delete(f"/jobs/{job}").status_code == 200
    wait_for(client, job, "cancelled")
    assert_error(client.get("/download"), 409, "wrong_moment", "raster")
    assert not [path for path in settings.cache_folder.rglob("*") if path.name.startswith("job-")]


def test_a_failed_job_tells_why(client, make_raster, fake_engine, caplog):
    upload(client, make_raster())
    fake_engine.failure = RuntimeError("a secret detail")
    response = client.post("/segment", json={})
    assert "secret" not in assert_error(response, 500, "internal_error")
    record = client.get("/jobs").get_json()["jobs"][0]
    assert record["state"] == "failed"
    assert record["error"]["error"] == "internal_error"
    assert "a secret detail" in caplog.text


def test_a_failure_keeps_the_earlier_result(client, make_raster, fake_engine):
    upload(client, make_raster())
    assert client.post("/segment", json={}).status_code == 200
    fake_engine.failure = RuntimeError("later")
    assert client.post("/segment", json={}).status_code == 500
    assert client.get("/download").status_code == 200


def test_the_twelve_parameters_and_the_bands_reach_the_engine(client, make_raster, fake_engine):
    upload(client, make_raster(bands=4))
    body = {
        "rgb_index": [4, 3, 2], "points_per_side": 5, "points_per_batch": 7, "pred_iou_thresh": 0.5,
        "stability_score_thresh": 0.6, "stability_score_offset": 0.7, "box_nms_thresh": 0.4, "crop_n_layers": 1,
        "crop_nms_thresh": 0.3, "crop_overlap_ratio": 0.2, "crop_n_points_downscale_factor": 2,
        "min_mask_region_area": 9, "window": [8, 4, 40, 32],
    }  # fmt: skip
    assert client.post("/segment", json=body).status_code == 200
    request: SegmentRequest = fake_engine.requests[0]
    assert request.band_indexes == (4, 3, 2)
    assert (request.window.col, request.window.row, request.window.width, request.window.height) == (8, 4, 40, 32)
    assert {name: getattr(request.settings, name) for name in PARAMETERS} == {name: body[name] for name in PARAMETERS}


def test_area_resolution_and_full_cover_reach_the_engine_and_the_result(client, make_raster, fake_engine):
    upload(client, make_raster())
    west, south, east, north = client.get("/raster_meta").get_json()["bounds_wgs84"]
    area = {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, south]]]}
    chosen = {"area": area, "resolution_m": 2.5, "full_cover": True}
    response = client.post("/segment", json=chosen)
    assert response.status_code == 200
    assert {name: response.get_json()[name] for name in chosen} == chosen
    request: SegmentRequest = fake_engine.requests[0]
    assert (request.area, request.resolution_m, request.full_cover) == (area, 2.5, True)


def test_a_resolution_in_metres_needs_a_place_on_earth(client, make_raster):
    upload(client, make_raster(crs=None))
    assert "coordinate reference system" in assert_error(
        client.post("/segment", json={"resolution_m": 1.0}), 400, "bad_parameter", "resolution_m"
    )


def test_one_and_two_band_rasters_need_no_band_choice(client, make_raster, fake_engine):
    for bands in (1, 2):
        upload(client, make_raster(f"{bands}.tif", bands=bands))
        assert client.post("/segment", json={}).status_code == 200
    assert [request.band_indexes for request in fake_engine.requests] == [(1, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"points_per_side": 0}, "points_per_side"),
        ({"points_per_side": 10_000}, "points_per_side"),
        ({"points_per_side": "32"}, "points_per_side"),
        ({"points_per_side": True}, "points_per_side"),
        ({"points_per_side": 3.5}, "points_per_side"),
        ({"crop_n_points_downscale_factor": 0}, "crop_n_points_downscale_factor"),
        ({"pred_iou_thresh": None}, "pred_iou_thresh"),
        ({"unknown": 1}, "unknown"),
        ({"rgb_index": [1, 2]}, "rgb_index"),
        ({"rgb_index": [1, 2, 5]}, "rgb_index"),
        ({"rgb_index": [0, 1, 2]}, "rgb_index"),
        ({"rgb_index": "123"}, "rgb_index"),
        ({"window": [0, 0, 0, 5]}, "window"),
        ({"window": [60, 0, 10, 5]}, "window"),
        ({"window": [-1, 0, 10, 5]}, "window"),
        ({"area": {"type": "Point", "coordinates": [0, 0]}}, "area"),
        ({"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}, "area"),
        ({"area": "Ring Street"}, "area"),
        ({"resolution_m": 0}, "resolution_m"),
        ({"resolution_m": "0.5"}, "resolution_m"),
        ({"full_cover": 1}, "full_cover"),
        ({"checkpoint": "../../etc/passwd"}, "checkpoint"),
        ({"out_raster": "../../escape.tif"}, "out_raster"),
        ({"out_raster": "/etc/escape.tif"}, "out_raster"),
        ({"out_raster": "result.exe"}, "out_raster"),
        ({"out_raster": ".tif"}, "out_raster"),
        ({"out_raster": ""}, "out_raster"),
        ({"out_raster": "a\nb.tif"}, "out_raster"),
        ({"raster": 5}, "raster"),
    ],
)
def test_a_bad_value_names_its_field(client, make_raster, body, field):
    upload(client, make_raster(size=(64, 48)))
    assert_error(client.post("/segment", json=body), 400, "bad_parameter", field)
    assert client.get("/jobs").get_json()["jobs"] == []


def test_a_checkpoint_that_is_not_here_is_503(client, make_raster):
    upload(client, make_raster())
    sentence = assert_error(
        client.post("/segment", json={"checkpoint": "vit_h"}), 503, "checkpoint_missing", "checkpoint"
    )
    assert "fetch vit_h" in sentence


def test_without_a_raster_it_says_so(client):
    assert_error(client.post("/segment", json={}), 404, "no_such_raster", "raster")
    assert_error(client.post("/segment", json={"raster": "../x"}), 404, "no_such_raster", "raster")


def test_waiting_requests_leave_half_of_the_threads_free(start_app, settings, fake_engine, make_raster):
    client = with_token(start_app(dataclasses.replace(settings, multi_thread=False)))
    upload(client, make_raster())
    fake_engine.hold()
    started = time.monotonic()
    assert client.post("/segment", json={}).status_code == 202
    assert time.monotonic() - started < 5


def test_another_clients_job_is_unknown(start_app, settings, make_raster):
    app = start_app(dataclasses.replace(settings, human_check=False))
    client = with_token(app)
    upload(client, make_raster())
    job = client.post("/segment", json={}).get_json()["job"]
    stranger = app.test_client()
    for response in (stranger.get(f"/jobs/{job}"), stranger.delete(f"/jobs/{job}"), client.get("/jobs/../../x")):
        assert response.status_code == 404
    assert stranger.get("/jobs").get_json()["jobs"] == []


def test_deleting_a_raster_cancels_its_job(client, make_raster, fake_engine):
    upload(client, make_raster())
    fake_engine.hold()
    job = client.post("/segment", json={}, headers=ASYNC).get_json()["job"]
    wait_for(client, job, "running")
    assert client.delete("/rasters/scene.tif").status_code == 200
    assert wait_for(client, job, "cancelled", "failed")["state"] == "cancelled"


@pytest.fixture
def segmented(client, make_raster):
    """A client whose raster has a result, and the raster's path."""
    path = make_raster("Fläche 1.tif", bands=4, dtype="uint16", size=(64, 48), nodata=0)
    upload(client, path)
    assert client.post("/segment", json={"out_raster": "meine objekte.tif"}).status_code == 200
    return client, path


def test_the_label_raster_matches_its_source(segmented):
    client, path = segmented
    response = client.get("/download")
    assert "attachment" in response.headers["Content-Disposition"]
    assert "meine objekte.tif" in response.headers["Content-Disposition"]
    with MemoryFile(response.data) as memory, memory.open() as labels, rasterio.open(path) as source:
        assert (labels.width, labels.height, labels.count) == (source.width, source.height, 1)
        assert (labels.crs, labels.transform) == (source.crs, source.transform)
        assert labels.dtypes == ("int32",)
        assert labels.nodata == 0
        assert sorted(np.unique(labels.read(1))) == [0, 1, 2, 3, 4]
        assert labels.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


@pytest.mark.parametrize("kind", ["gpkg", "geojson", "shp", "coco"])
def test_vectors_carry_their_attributes(segmented, kind, tmp_path: Path):
    client, _ = segmented
    response = client.get(f"/download?format={kind}&raster=Fläche 1.tif")
    assert response.status_code == 200
    if kind == "coco":
        content = json.loads(response.data)
        assert len(content["annotations"]) == 4
        assert len({item["id"] for item in content["annotations"]}) == 4
        return
    if kind == "geojson":
        feature = json.loads(response.data)["features"][0]
        assert set(feature["properties"]) >= {
            "id",
            "area_px",
            "area_m2",
            "predicted_iou",
            "stability_score",
            "bbox",
            "point",
            "class",
            "source",
        }
        assert -180 <= feature["geometry"]["coordinates"][0][0][0] <= 180
        return
    if kind == "shp":
        names = zipfile.ZipFile(io.BytesIO(response.data)).namelist()
        assert {Path(name).suffix for name in names} >= {".shp", ".shx", ".dbf", ".prj"}
        return
    import pyogrio

    (tmp_path / "out.gpkg").write_bytes(response.data)
    information = pyogrio.read_info(tmp_path / "out.gpkg")
    assert information["features"] == 4
    assert information["crs"] == "EPSG:32650"


def test_the_mask_preview_and_tiles_show_fixed_colours(segmented):
    client, _ = segmented
    first, second = client.get("/preview_mask?alpha=1").data, client.get("/preview_mask?alpha=1").data
    assert first == second
    tilejson = client.get("/tiles/Fläche 1.tif/tilejson.json").get_json()
    lon, lat, zoom = tilejson["center"]
    import morecantile

    tile = morecantile.tms.get("WebMercatorQuad").tile(lon, lat, int(zoom))
    image = client.get(f"/tiles/Fläche 1.tif/{tile.z}/{tile.x}/{tile.y}.png")
    assert image.status_code == 200
    assert image.data[:4] == b"\x89PNG"
    assert client.get(f"/mask_tiles/Fläche 1.tif/{tile.z}/{tile.x}/{tile.y}.png").status_code in (200, 204)
    assert client.get("/tiles/Fläche 1.tif/5/0/0.png").status_code == 204
    assert client.get("/tiles/Fläche 1.tif/99/0/0.png").status_code == 204


def test_an_object_is_found_at_a_place(segmented):
    client, _ = segmented
    feature = client.get("/object?x=3.5&y=3.5&space=pixel").get_json()["feature"]
    assert feature["properties"]["id"] == 1
    lon, lat = feature["geometry"]["coordinates"][0][0]
    assert client.get("/object?x=12.5&y=3.5&space=pixel").get_json()["feature"] is None
    inside = (lon + 1e-6, lat - 1e-6)
    found = client.get("/object", query_string={"x": inside[0], "y": inside[1], "space": "map"}).get_json()["feature"]
    assert found is None or found["properties"]["id"] == 1
    assert client.get("/object?x=-500&y=9999&space=pixel").get_json()["feature"] is None


def test_a_result_needs_a_segmentation_first(client, make_raster):
    upload(client, make_raster())
    for route in ("/download", "/preview_mask", "/object?x=1&y=1", "/mask_tiles/scene.tif/0/0/0.png"):
        assert_error(client.get(route), 409, "wrong_moment", "raster")


def test_a_side_file_that_comes_late_moves_the_result(client, make_raster, tmp_path):
    upload(client, make_raster("plain.png", size=(64, 48), crs=None, driver="PNG"))
    assert client.post("/segment", json={}).status_code == 200
    before = client.get("/object?x=3.5&y=3.5&space=pixel").get_json()["feature"]
    (tmp_path / "plain.pgw").write_text("2\n0\n0\n-2\n500001\n4399999\n")
    (tmp_path / "plain.prj").write_text("EPSG:32650")
    for name in ("plain.pgw", "plain.prj"):
        assert upload(client, tmp_path / name, route="/upload_cfg").get_json()["raster"] == "plain.png"
    with MemoryFile(client.get("/download").data) as memory, memory.open() as labels:
        assert labels.crs.to_epsg() == 32650
        assert list(labels.transform)[:6] == [2, 0, 500_000, 0, -2, 4_400_000]
        assert sorted(np.unique(labels.read(1))) == [0, 1, 2, 3, 4]
    after = client.get("/object?x=3.5&y=3.5&space=pixel").get_json()["feature"]
    assert after["properties"]["predicted_iou"] == before["properties"]["predicted_iou"] == 0.9
    assert after["properties"]["area_m2"] == pytest.approx(64 * 4, rel=0.01)
    assert after["geometry"] != before["geometry"]
