"""The annotation layer over HTTP: kept, changed, undone, shared by two tabs, imported, promoted, downloaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.io import MemoryFile

from tests.routes.support import assert_error, upload, with_token

TABLE = [{"id": 1, "name": "roof", "color": "#ff0000"}, {"id": 2, "name": "field", "color": "#00ff00"}]


def square(left: float, top: float, side: float = 10) -> dict:
    return shapely.geometry.mapping(shapely.box(left, top, left + side, top + side))


@pytest.fixture
def plain(client, make_raster):
    """A client with a raster without a CRS, so that coordinates are pixels."""
    upload(client, make_raster(crs=None))
    return client


def change(client, **parts) -> dict:
    response = client.post("/annotations", json=parts)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def add(client, *geometries: dict, **facts) -> list[dict]:
    answer = change(client, add=[{"geometry": geometry, **facts} for geometry in geometries])
    return [item["properties"] for item in answer["objects"]]


def read(client, since: int = 0) -> dict:
    return client.get(f"/annotations?since={since}").get_json()


def seen(item: dict) -> dict:
    return {"id": item["id"], "revision": item["revision"]}


def test_a_new_layer_is_empty(plain):
    layer = read(plain)
    assert layer == {
        "revision": 0,
        "since": 0,
        "space": "pixel",
        "classes": [],
        "removed": [],
        "undo": None,
        "redo": None,
        "notes": [],
        "objects": [],
    }


def test_what_is_added_is_read_back(plain):
    (first,) = add(plain, square(5, 5), source="prompt", checkpoint="embedded", predicted_iou=0.75, **{"class": "roof"})
    assert first["id"] == 1
    assert first["area_px"] == 100
    assert first["area_m2"] is None
    layer = read(plain)
    (feature,) = layer["objects"]
    assert shapely.geometry.shape(feature["geometry"]).equals(shapely.box(5, 5, 15, 15))
    assert feature["properties"] == first
    assert [row["name"] for row in layer["classes"]] == ["roof"]
    assert layer["undo"] == "add"


def test_georeferenced_rasters_speak_degrees_and_square_metres(client, make_raster):
    upload(client, make_raster())
    meta = client.get("/raster_meta").get_json()
    west, south, east, north = meta["bounds_wgs84"]
    half = shapely.geometry.mapping(shapely.box(west, south, (west + east) / 2, north))
    (item,) = add(client, half)
    assert item["area_px"] == pytest.approx(32 * 48, rel=0.02)
    assert item["area_m2"] == pytest.approx(16 * 24, rel=0.02)
    assert read(client)["space"] == "lonlat"


def test_it_survives_a_restart(start_app, settings, make_raster):
    client = with_token(start_app(settings))
    upload(client, make_raster(crs=None))
    add(client, square(5, 5))
    again = with_token(start_app(settings))
    assert len(read(again)["objects"]) == 1
    assert again.post("/annotations/undo", json={}).get_json()["removed"] == [1]


def test_change_class_and_outline_remove_and_undo_everything(plain):
    one, two = add(plain, square(0, 0), square(20, 20), **{"class": "roof"})
    answer = change(plain, change=[{**seen(one), "class": None}, {**seen(two), "geometry": square(20, 20, 5)}])
    one, two = (item["properties"] for item in answer["objects"])
    assert (one["class"], one["area_px"], two["class"], two["area_px"]) == (None, 100, "roof", 25)
    assert change(plain, remove=[seen(one)])["removed"] == [1]
    for _ in range(3):
        answer = plain.post("/annotations/undo", json={}).get_json()
    assert read(plain)["objects"] == []
    assert (answer["undo"], answer["redo"]) == (None, "add")
    for _ in range(3):
        plain.post("/annotations/redo", json={})
    assert [item["id"] for item in read(plain)["objects"]] == [2]
    assert_error(plain.post("/annotations/redo", json={}), 409, "wrong_moment")


def test_two_tabs_do_not_overwrite_each_other(plain):
    (item,) = add(plain, square(0, 0))
    change(plain, change=[{**seen(item), "class": "roof"}])
    late = plain.post("/annotations", json={"change": [{**seen(item), "class": "field"}]})
    assert "1" in assert_error(late, 409, "conflict")
    assert_error(plain.post("/annotations", json={"remove": [seen(item)]}), 409, "conflict")
    (kept,) = read(plain)["objects"]
    assert kept["properties"]["class"] == "roof"
    assert len(read(plain, since=item["revision"])["objects"]) == 1


def test_a_tab_that_is_behind_is_told_all_and_may_not_undo_what_it_has_not_seen(plain):
    add(plain, square(0, 0))
    behind = read(plain)["revision"]
    add(plain, square(20, 20))
    assert_error(plain.post("/annotations/undo", json={"since": behind}), 409, "conflict")
    answer = change(plain, since=behind, classes=TABLE)
    assert [item["id"] for item in answer["objects"]] == [2]
    late = plain.post("/annotations", json={"since": behind, "classes": []})
    assert "classes" in assert_error(late, 409, "conflict", "classes")


def test_classes_are_renamed_recoloured_and_left_out(plain):
    change(plain, classes=TABLE)
    add(plain, square(0, 0), **{"class": "roof"})
    change(plain, classes=[{**TABLE[0], "name": "house"}, TABLE[1]])
    assert read(plain)["objects"][0]["properties"]["class"] == "house"
    change(plain, classes=[TABLE[1]])
    assert read(plain)["objects"][0]["properties"]["class"] is None
    twice = plain.post("/annotations", json={"classes": [TABLE[0], {**TABLE[1], "name": "roof"}]})
    assert "roof" in assert_error(twice, 400, "bad_parameter", "classes")


def test_merge_split_and_reshape(plain):
    one, two = add(plain, square(0, 0), square(10, 0), **{"class": "roof"})
    merged = plain.post("/annotations/edit", json={"operation": "merge", "objects": [seen(one), seen(two)]}).get_json()
    (whole,) = (item["properties"] for item in merged["objects"])
    assert (whole["id"], whole["area_px"], merged["removed"]) == (1, 200, [2])
    body = {"operation": "split", "objects": [seen(whole)], "line": [[5, -1], [5, 11]]}
    parts = [item["properties"] for item in plain.post("/annotations/edit", json=body).get_json()["objects"]]
    assert sorted((part["id"], part["area_px"], part["class"]) for part in parts) == [(1, 150, "roof"), (3, 50, "roof")]
    for operation in ("simplify", "regularise", "smooth", "snap"):
        (item, *_) = (feature["properties"] for feature in read(plain)["objects"])
        body = {"operation": operation, "objects": [seen(item)], "tolerance_px": 2}
        response = plain.post("/annotations/edit", json=body)
        assert response.status_code == 200, response.get_data(as_text=True)
        (changed,) = response.get_json()["objects"]
        assert changed["properties"]["area_px"] == pytest.approx(150, rel=0.25)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"operation": "merge", "objects": [1]}, "objects"),
        ({"operation": "split", "objects": [1, 2], "line": [[0, 0], [1, 1]]}, "objects"),
        ({"operation": "split", "objects": [1]}, "line"),
        ({"operation": "merge", "objects": [1, 1]}, "objects"),
        ({"operation": "explode", "objects": [1]}, "operation"),
        ({"operation": "smooth", "objects": [1], "tolerance_px": 0}, "tolerance_px"),
        ({"operation": "smooth", "objects": []}, "objects"),
    ],
)
def test_edits_that_cannot_be_get_a_sentence(plain, body, field):
    items = {item["id"]: item for item in add(plain, square(0, 0), square(20, 20))}
    body["objects"] = [seen(items[number]) for number in body["objects"]]
    assert_error(plain.post("/annotations/edit", json=body), 400, "bad_parameter", field)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[0, 0], [5, 5], [0, 0], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [5, 5]]]},
    ],
)
def test_geometry_without_an_area_is_refused(plain, geometry):
    assert_error(plain.post("/annotations", json={"add": [{"geometry": geometry}]}), 400, "bad_parameter", "geometry")
    assert read(plain)["objects"] == []


def test_no_client_reaches_another_ones_layer(app, make_raster):
    owner = with_token(app)
    upload(owner, make_raster(crs=None))
    add(owner, square(0, 0))
    stranger = app.test_client()
    assert_error(stranger.get("/annotations"), 403, "not_human")


def test_the_layer_goes_with_its_raster(plain):
    add(plain, square(0, 0))
    plain.delete("/rasters/scene.tif")
    assert_error(plain.get("/annotations"), 404, "no_such_raster", "raster")


def test_automatic_objects_are_promoted(plain):
    assert_error(plain.post("/annotations/promote", json={}), 409, "wrong_moment", "raster")
    assert plain.post("/segment", json={}).status_code == 200
    (item,) = plain.post("/annotations/promote", json={"ids": [2], "class": "roof"}).get_json()["objects"]
    assert item["properties"]["source"] == "automatic"
    assert item["properties"]["class"] == "roof"
    assert item["properties"]["checkpoint"] == "embedded"
    assert item["properties"]["predicted_iou"] == pytest.approx(0.9)
    with MemoryFile(plain.get("/download").data) as memory, memory.open() as raster:
        assert (raster.read(1) == 2).sum() == item["properties"]["area_px"]
    assert len(plain.post("/annotations/promote", json={}).get_json()["objects"]) == 4
    assert "99" in assert_error(plain.post("/annotations/promote", json={"ids": [99]}), 400, "bad_parameter", "ids")


def test_a_file_in_another_crs_is_imported_and_says_so(client, make_raster, tmp_path):
    path = make_raster()
    upload(client, path)
    with rasterio.open(path) as raster:
        corner = raster.transform @ (4, 6)
    outline = shapely.box(corner[0], corner[1] - 8, corner[0] + 5, corner[1])
    file = tmp_path / "roofs.gpkg"
    to_mercator = pyogrio_projector("EPSG:32650", "EPSG:3857")
    pyogrio.raw.write(
        file,
        np.array([shapely.to_wkb(shapely.transform(outline, to_mercator))], dtype=object),
        [np.array(["roof"], dtype=object)],
        ["class"],
        geometry_type="Polygon",
        crs="EPSG:3857",
    )
    answer = upload(client, file, route="/annotations/import").get_json()
    (item,) = answer["objects"]
    assert item["properties"]["source"] == "imported"
    assert item["properties"]["class"] == "roof"
    assert item["properties"]["area_px"] == pytest.approx(160, abs=1)
    assert any("3857" in note for note in answer["notes"])
    assert answer["undo"] == "import"


def pyogrio_projector(source: str, target: str):
    from pyproj import Transformer

    transformer = Transformer.from_crs(source, target, always_xy=True)
    return lambda points: np.stack(transformer.transform(points[:, 0], points[:, 1]), axis=1)


def test_a_file_that_is_no_vector_gets_a_sentence(plain, tmp_path):
    file = tmp_path / "notes.geojson"
    file.write_text("hello")
    assert_error(upload(plain, file, route="/annotations/import"), 400, "bad_parameter", "file")
    odd = tmp_path / "notes.docx"
    odd.write_text("hello")
    assert "GeoPackage" in assert_error(upload(plain, odd, route="/annotations/import"), 400, "bad_parameter", "file")


def test_every_format_is_downloaded_under_a_name_of_its_own(client, make_raster, settings):
    upload(client, make_raster())
    assert_error(client.get("/annotations/download"), 409, "wrong_moment", "raster")
    west, south, east, north = client.get("/raster_meta").get_json()["bounds_wgs84"]
    centre = shapely.Point((west + east) / 2, (south + north) / 2)
    add(client, shapely.geometry.mapping(centre.buffer((east - west) / 4)), **{"class": "roof"})
    names = set()
    for kind in ("gpkg", "geojson", "shp", "fgb", "coco", "labels", "classes", "stac"):
        response = client.get(f"/annotations/download?format={kind}")
        assert response.status_code == 200, (kind, response.get_data(as_text=True)[:300])
        names.add(response.headers["Content-Disposition"].split("filename=")[1])
        assert len(response.data) > 100
    assert len(names) == 8
    assert all(name.startswith("scene_objects") for name in names)
    assert json.loads(client.get("/annotations/download?format=geojson").data)["features"]
    assert list((Path(settings.cache_folder) / "staging").iterdir()) == []


def test_large_bodies_are_refused_with_their_size(plain):
    response = plain.post("/annotations/undo", data=b" " * (2**20 + 1), content_type="application/json")
    assert "1,048,577" in assert_error(response, 413, "too_large")
