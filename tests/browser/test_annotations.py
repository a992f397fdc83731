"""The annotation layer in the page: import, classes, selection, edits, two tabs, downloads, thousands of objects."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from playwright.sync_api import Page, expect
from pyproj import Geod, Transformer

from tests.browser.test_prompts import screen_place
from tests.browser.test_walk import draw_scene, wait_for_map
from tests.serving import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ORIGIN_X, ORIGIN_Y, PIXEL_M = 500_000.0, 4_400_000.0, 0.5
# Left, top, right, bottom in pixels of the scene.
HOUSES = [(60, 60, 120, 110), (120, 60, 160, 110), (220, 60, 290, 140), (60, 200, 140, 260)]


def place_on_map(boxes: list[tuple[float, ...]]) -> list[shapely.Polygon]:
    """Return boxes in pixels as polygons in UTM."""
    return [
        shapely.box(
            ORIGIN_X + PIXEL_M * left, ORIGIN_Y - PIXEL_M * bottom, ORIGIN_X + PIXEL_M * right, ORIGIN_Y - PIXEL_M * top
        )
        for left, top, right, bottom in boxes
    ]


def write_houses(path: Path, boxes: list[tuple[float, ...]], crs: str) -> Path:
    """Write boxes as GeoJSON in a CRS other than the raster's."""
    transformer = Transformer.from_crs("EPSG:32650", crs, always_xy=True)
    moved = shapely.transform(
        place_on_map(boxes), lambda points: np.stack(transformer.transform(points[:, 0], points[:, 1]), axis=1)
    )
    features = [
        {"type": "Feature", "properties": {"class": "house"}, "geometry": shapely.geometry.mapping(house)}
        for house in moved
    ]
    member = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:{crs.replace(':', '::')}"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": member, "features": features}))
    return path


def open_scene(page: Page, server: ServerProcess, path: Path) -> None:
    page.goto(server.url)
    page.get_by_test_id("upload-input").set_input_files(path)
    expect(page.get_by_test_id("crs")).to_contain_text("32650", timeout=20_000)
    wait_for_map(page)
    page.get_by_test_id("tab-objects").click()


def import_file(page: Page, path: Path, kind: str = "objects") -> None:
    """Choose a file with outlines and say what they are for: "objects", "boxes" or "points"."""
    page.get_by_test_id("annotation-import-input").set_input_files(path)
    page.get_by_test_id(f"import-{kind}").click()


def expect_count(page: Page, n_objects: int) -> None:
    expect(page.get_by_test_id("annotation-count")).to_have_attribute("data-count", str(n_objects), timeout=20_000)


def select(page: Page, index: int, *, also: bool = False) -> None:
    left, top, right, bottom = HOUSES[index]
    if also:
        page.keyboard.down("Shift")
    page.mouse.click(*screen_place(page, (left + right) / 2, (top + bottom) / 2))
    if also:
        page.keyboard.up("Shift")


def download(page: Page, kind: str, folder: Path) -> Path:
    page.get_by_test_id("annotation-formats").click()
    with page.expect_download() as started:
        page.get_by_test_id(f"annotation-download-{kind}").click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def test_imported_objects_are_classified_edited_undone_and_downloaded(
    server, page, make_raster, tmp_path: Path, screenshots: Path
):
    open_scene(page, server, make_raster("houses.tif", draw_scene(), crs="EPSG:32650", nodata=0))
    houses = write_houses(tmp_path / "houses.geojson", HOUSES, "EPSG:3857")
    import_file(page, houses)
    expect_count(page, 4)
    expect(page.get_by_test_id("import-notes")).to_contain_text("3857")
    wait_for_map(page)
    page.screenshot(path=screenshots / "20-imported.png")

    page.get_by_test_id("select-mode").click()
    select(page, 0)
    select(page, 1, also=True)
    expect(page.get_by_test_id("selection-status")).to_contain_text("2")
    page.screenshot(path=screenshots / "21-selected.png")
    page.keyboard.press("m")
    expect_count(page, 3)
    page.keyboard.press("Control+z")
    expect_count(page, 4)
    page.keyboard.press("Control+Shift+z")
    expect_count(page, 3)

    select(page, 2)
    page.keyboard.press("Delete")
    expect_count(page, 2)
    page.get_by_test_id("layer-undo").first.click()
    expect_count(page, 3)

    page.get_by_test_id("class-name").fill("barn")
    page.get_by_test_id("class-add").click()
    expect(page.get_by_test_id("class-row")).to_have_count(2)
    select(page, 3)
    page.keyboard.press("2")
    expect(page.get_by_test_id("annotation-item").filter(has_text="barn")).to_have_count(1)
    page.screenshot(path=screenshots / "22-classes.png")

    page.keyboard.press("x")
    for x, y in ((100, 190), (100, 270)):
        page.mouse.click(*screen_place(page, x, y))
        page.wait_for_timeout(400)  # two quick clicks would be a double click
    page.get_by_test_id("edit-finish").click()
    expect_count(page, 4)
    page.screenshot(path=screenshots / "23-split.png")
    page.keyboard.press("Escape")

    path = download(page, "gpkg", tmp_path)
    meta, _, geometries, columns = pyogrio.raw.read(path, layer="objects")
    assert "32650" in meta["crs"]
    outlines = shapely.from_wkb(geometries)
    assert shapely.is_valid(outlines).all()
    table = dict(zip(meta["fields"], columns, strict=True))
    assert sorted(table["class"]) == ["barn", "barn", "house", "house"]
    to_lonlat = Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True)
    for outline, area_m2 in zip(outlines, table["area_m2"], strict=True):
        on_earth = shapely.transform(
            shapely.segmentize(outline, 1), lambda points: np.stack(to_lonlat.transform(*points.T), axis=1)
        )
        geodesic, _ = Geod(ellps="WGS84").geometry_area_perimeter(on_earth)
        assert area_m2 == pytest.approx(abs(geodesic), rel=0.005)
    page.keyboard.press("Escape")
    with zipfile.ZipFile(download(page, "shp", tmp_path)) as archive:
        assert any(name.endswith(".shp") for name in archive.namelist())
    assert page.faults == []


def test_two_tabs_see_each_others_changes(server, page, make_raster, tmp_path: Path):
    open_scene(page, server, make_raster("tabs.tif", draw_scene(), crs="EPSG:32650", nodata=0))
    other = page.context.new_page()
    other.goto(server.url)
    wait_for_map(other)
    other.get_by_test_id("tab-objects").click()
    import_file(page, write_houses(tmp_path / "houses.geojson", HOUSES, "EPSG:4326"))
    expect_count(page, 4)
    other.bring_to_front()
    other.evaluate("window.dispatchEvent(new Event('focus'))")
    expect_count(other, 4)
    page.get_by_test_id("annotation-remove").first.click()
    expect_count(page, 3)
    # The other tab has not looked again: what it removes now is gone already.
    other.get_by_test_id("annotation-remove").first.click()
    expect(other.get_by_test_id("error-banner")).to_be_visible()
    expect_count(other, 3)
    expect_count(page, 3)


def test_an_outline_is_corrected_corner_by_corner(server, page, make_raster, tmp_path: Path, screenshots: Path):
    open_scene(page, server, make_raster("corners.tif", draw_scene(), crs="EPSG:32650", nodata=0))
    import_file(page, write_houses(tmp_path / "houses.geojson", HOUSES[2:3], "EPSG:4326"))
    expect_count(page, 1)
    page.get_by_test_id("select-mode").click()
    select(page, 2)
    page.keyboard.press("e")
    left, top, right, bottom = HOUSES[2]
    page.mouse.move(*screen_place(page, right, bottom))
    page.mouse.down()
    page.mouse.move(*screen_place(page, right + 30, bottom + 30), steps=5)
    page.mouse.up()
    page.screenshot(path=screenshots / "24-corners.png")
    with page.expect_response("**/annotations") as answered:
        page.get_by_test_id("edit-finish").click()
    (item,) = answered.value.json()["objects"]
    grown = (right - left) * (bottom - top) + 30 * ((right - left) + (bottom - top)) / 2
    assert item["properties"]["area_px"] == pytest.approx(grown, rel=0.05)
    assert page.faults == []


def test_twenty_thousand_objects_pan_smoothly(server, page, make_raster, tmp_path: Path, screenshots: Path):
    boxes = [(2 + 3.4 * col, 2 + 2.6 * row, 4.4 + 3.4 * col, 4 + 2.6 * row) for row in range(142) for col in range(141)]
    open_scene(page, server, make_raster("many.tif", draw_scene(), crs="EPSG:32650", nodata=0))
    import_file(page, write_houses(tmp_path / "many.geojson", boxes, "EPSG:4326"))
    expect_count(page, len(boxes))
    page.wait_for_timeout(2000)
    page.screenshot(path=screenshots / "25-many.png")
    start = screen_place(page, 200, 150)
    page.evaluate("""() => {
      window.frames_seen = 0
      const count = () => { window.frames_seen += 1; requestAnimationFrame(count) }
      requestAnimationFrame(count)
    }""")
    page.mouse.move(*start)
    page.mouse.down()
    before, began = page.evaluate("[window.frames_seen, performance.now()]")
    for step in range(60):
        page.mouse.move(start[0] + 3 * step, start[1] + step)
        page.wait_for_timeout(16)
    after, ended = page.evaluate("[window.frames_seen, performance.now()]")
    page.mouse.up()
    rate = 1000 * (after - before) / (ended - began)
    print(f"{len(boxes)} objects: {rate:.0f} frames per second while panning")
    assert after > before
    assert page.faults == []


def test_similar_objects_are_found_looked_through_and_kept(server, page, make_raster, screenshots: Path):
    open_scene(page, server, make_raster("similar.tif", draw_scene(), crs="EPSG:32650", nodata=0))
    request = page.context.request
    body = {"raster": "similar.tif", "points_per_side": 16, "pred_iou_thresh": 0.5, "stability_score_thresh": 0.6}
    job = request.post(f"{server.url}/segment", data=body, timeout=240_000).json()["job"]
    while request.get(f"{server.url}/jobs/{job}").json()["state"] != "done":
        page.wait_for_timeout(500)
    lon, lat = Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True).transform(
        ORIGIN_X + PIXEL_M * 255, ORIGIN_Y - PIXEL_M * 100
    )
    roof = request.get(f"{server.url}/object?raster=similar.tif&x={lon}&y={lat}").json()["feature"]
    promoted = {"raster": "similar.tif", "ids": [roof["properties"]["id"]], "class": "roof"}
    request.post(f"{server.url}/annotations/promote", data=promoted)
    page.reload()
    expect_count(page, 1)
    wait_for_map(page)

    page.get_by_test_id("select-mode").click()
    page.mouse.click(*screen_place(page, 255, 100))
    expect(page.get_by_test_id("selection-status")).to_contain_text("1")
    page.keyboard.press("f")
    expect(page.get_by_test_id("similar-status")).to_be_visible(timeout=60_000)
    wait_for_map(page)
    page.screenshot(path=screenshots / "26-similar.png")
    with page.expect_response("**/annotations/promote") as answered:
        page.get_by_test_id("similar-keep").click()
    kept = [shapely.geometry.shape(item["geometry"]) for item in answered.value.json()["objects"]]
    assert kept
    assert {item["properties"]["class"] for item in answered.value.json()["objects"]} == {"roof"}
    expect_count(page, 1 + len(kept))
    page.screenshot(path=screenshots / "27-similar-kept.png")
    assert page.faults == []
