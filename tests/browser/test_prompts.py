"""Outlining objects one by one in the page: click, box, undo, accept, reload, download; and an area drawn by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from rasterio.warp import transform

from tests.browser.still import wait_until_still
from tests.browser.test_walk import draw_scene, wait_for_map

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ANSWER_TIMEOUT_MS = 60_000
ROOF_MIDDLE = (255.0, 100.0)
ROOF_BOX = (215.0, 55.0, 295.0, 145.0)
N_ROOF_PX = 70 * 80


def screen_place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Return where pixel x, y of the raster is on the screen."""
    (mercator_x,), (mercator_y,) = transform("EPSG:32650", "EPSG:3857", [500_000 + 0.5 * x], [4_400_000 - 0.5 * y])
    left, top = page.evaluate("xy => window.rsMap.getPixelFromCoordinate(xy)", [mercator_x, mercator_y])
    box = page.get_by_test_id("map").bounding_box()
    return box["x"] + left, box["y"] + top


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*screen_place(page, *start))
    page.mouse.down()
    page.mouse.move(*screen_place(page, *end), steps=4)
    page.mouse.up()


def test_objects_are_outlined_one_by_one(server, page, make_raster, tmp_path: Path, screenshots: Path):
    page.goto(server.url)
    page.get_by_test_id("upload-input").set_input_files(
        make_raster("roofs.tif", draw_scene(), crs="EPSG:32650", nodata=0)
    )
    expect(page.get_by_test_id("crs")).to_contain_text("32650", timeout=20_000)
    wait_for_map(page)
    page.get_by_test_id("tab-objects").click()
    page.get_by_test_id("class-name").fill("roof")
    page.get_by_test_id("prompt-toggle").click()

    status, rank = page.get_by_test_id("prompt-status"), page.get_by_test_id("prompt-rank")
    with page.expect_request("**/predict") as asked:
        page.mouse.click(*screen_place(page, *ROOF_MIDDLE))
    sent = json.loads(asked.value.post_data)
    assert sent["points"] == [[pytest.approx(ROOF_MIDDLE[0], abs=1), pytest.approx(ROOF_MIDDLE[1], abs=1), 1]]
    assert (sent["multimask"], sent["space"], sent["previous"]) == (True, "pixel", None)
    expect(status).to_contain_text("IoU", timeout=ANSWER_TIMEOUT_MS)
    expect(rank).to_contain_text("1 / 3")
    page.keyboard.press("n")
    expect(rank).to_contain_text("2 / 3")

    with page.expect_request("**/predict") as asked:
        page.keyboard.down("Alt")
        page.mouse.click(*screen_place(page, 180.0, 200.0))
        page.keyboard.up("Alt")
    sent = json.loads(asked.value.post_data)
    assert [point[2] for point in sent["points"]] == [1, 0]
    assert sent["previous"] is not None
    assert not sent["multimask"]
    expect(status).to_contain_text("IoU", timeout=ANSWER_TIMEOUT_MS)
    page.keyboard.press("Control+z")
    expect(rank).to_contain_text("2 / 3")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("prompt-accept")).to_be_disabled()

    with page.expect_request("**/predict") as asked:
        page.keyboard.down("Shift")
        drag(page, ROOF_BOX[:2], ROOF_BOX[2:])
        page.keyboard.up("Shift")
    assert json.loads(asked.value.post_data)["box"] == [pytest.approx(value, abs=1.5) for value in ROOF_BOX]
    expect(status).to_contain_text("IoU", timeout=ANSWER_TIMEOUT_MS)
    wait_for_map(page)
    page.screenshot(path=screenshots / "11-prompts.png")
    page.keyboard.press("Enter")
    count = page.get_by_test_id("annotation-count")
    expect(count).to_have_attribute("data-count", "1")

    page.reload()
    expect(count).to_have_attribute("data-count", "1", timeout=20_000)
    wait_for_map(page)
    page.screenshot(path=screenshots / "12-accepted.png")
    with page.expect_download() as download:
        page.get_by_test_id("annotation-download").click()
    download.value.save_as(tmp_path / "objects.geojson")
    (feature,) = json.loads((tmp_path / "objects.geojson").read_text())["features"]
    assert feature["properties"]["class"] == "roof"
    assert feature["properties"]["area_px"] == pytest.approx(N_ROOF_PX, rel=0.2)
    west, south, east, north = 117.0, 39.74, 117.01, 39.75
    for lon, lat in feature["geometry"]["coordinates"][0]:
        assert west <= lon <= east
        assert south <= lat <= north
    assert page.faults == []


def test_an_area_is_drawn_and_sent(server, page, make_raster, screenshots: Path):
    page.goto(server.url)
    page.get_by_test_id("upload-input").set_input_files(
        make_raster("field.tif", draw_scene(), crs="EPSG:32650", nodata=0)
    )
    expect(page.get_by_test_id("crs")).to_contain_text("32650", timeout=20_000)
    wait_for_map(page)
    page.get_by_test_id("to-segmentation").click()
    page.get_by_test_id("step-area").click()
    wait_until_still(page.get_by_test_id("draw-area"))
    page.get_by_test_id("draw-area").click()
    corners = [(40.0, 40.0), (460.0, 40.0), (250.0, 340.0)]
    for corner in [*corners, corners[0]]:
        page.mouse.click(*screen_place(page, *corner))
        page.wait_for_timeout(300)  # two quick clicks would be a double click, which ends the polygon
    expect(page.get_by_test_id("area-summary")).to_contain_text("3 corners")
    page.screenshot(path=screenshots / "13-area.png")
    with page.expect_request(lambda request: request.url.endswith("/segment") and request.method == "POST") as sent:
        page.get_by_test_id("run-button").click()
    area = json.loads(sent.value.post_data)["area"]
    assert area["type"] == "Polygon"
    assert len(area["coordinates"][0]) == 4
    page.get_by_test_id("cancel-button").click()
    page.get_by_test_id("clear-area").click()
    expect(page.get_by_test_id("area-summary")).to_have_count(0)
    assert page.faults == []
