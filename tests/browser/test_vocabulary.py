"""Open vocabulary in the page: name classes, click examples, classify, read the legend, take the classes home."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from playwright.sync_api import Page, expect
from rasterio.warp import transform

from tests.browser.test_walk import JOB_TIMEOUT_MS, draw_scene, wait_for_map
from tests.serving import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PIXEL_HECTARES = 0.25 / 10_000
# Clicks as column and row: roofs, the meadow between them, and the lake below.
CLICKS = {
    "roof": [(90, 95), (255, 100), (415, 90)],
    "meadow": [(180, 40), (30, 200), (350, 190)],
    "lake": [(30, 375), (470, 370)],
}


def draw_lake() -> np.ndarray:
    """Return the scene of the walk with a lake along its lower border."""
    bands = draw_scene()
    noise = np.random.default_rng(2).normal(0, 8, (4, 60, 500))
    bands[:, 340:] = (np.array([120, 220, 380, 60])[:, None, None] + noise).clip(1, 4000).astype("uint16")
    return bands


def click_pixel(page: Page, col: float, row: float) -> None:
    """Click a pixel of the raster, found through the map's own transformation."""
    (x,), (y,) = transform("EPSG:32650", "EPSG:3857", [500_000 + 0.5 * col], [4_400_000 - 0.5 * row])
    at = page.evaluate("xy => window.rsMap.getPixelFromCoordinate(xy)", [x, y])
    box = page.get_by_test_id("map").bounding_box()
    page.mouse.click(box["x"] + at[0], box["y"] + at[1])


def add_classes(page: Page) -> None:
    for name in CLICKS:
        page.get_by_test_id("vocabulary-new").fill(name)
        page.get_by_test_id("vocabulary-new").press("Enter")
    expect(page.get_by_test_id("vocabulary-row")).to_have_count(len(CLICKS))


def click_examples(page: Page) -> None:
    for index, (name, places) in enumerate(CLICKS.items()):
        page.get_by_test_id("vocabulary-click").nth(index).click()
        expect(page.get_by_test_id("vocabulary-clicking")).to_contain_text(name)
        for place in places:
            click_pixel(page, *place)
        expect(page.get_by_test_id("vocabulary-count").nth(index)).to_have_text(f"{len(places)} clicks")
    click_pixel(page, 250, 300)
    expect(page.get_by_test_id("vocabulary-count").nth(2)).to_have_text("3 clicks")
    page.get_by_test_id("vocabulary-undo").click()
    expect(page.get_by_test_id("vocabulary-count").nth(2)).to_have_text("2 clicks")


def test_classes_are_clicked_mapped_measured_and_downloaded(
    server: ServerProcess, page: Page, make_raster, tmp_path: Path, screenshots: Path
):
    page.goto(server.url)
    page.get_by_test_id("upload-input").set_input_files(make_raster("lake.tif", draw_lake(), nodata=0))
    expect(page.get_by_test_id("crs")).to_contain_text("32650", timeout=20_000)
    wait_for_map(page)
    page.get_by_test_id("tab-classes").click()
    page.get_by_test_id("vocabulary-text").click()
    expect(page.get_by_test_id("vocabulary-how")).to_contain_text("huggingface.co", timeout=60_000)
    page.screenshot(path=screenshots / "50-words-missing.png")
    page.get_by_test_id("vocabulary-examples").click()
    add_classes(page)
    expect(page.get_by_test_id("classify-obstacle")).to_contain_text("roof, meadow, lake")
    expect(page.get_by_test_id("classify-run")).to_be_disabled()
    click_examples(page)
    page.wait_for_timeout(500)  # until the ripples on the buttons have gone
    page.screenshot(path=screenshots / "51-class-examples.png")

    with page.expect_request(lambda request: request.url.endswith("/classify")) as sent:
        page.get_by_test_id("classify-run").click()
    request = json.loads(sent.value.post_data)
    assert [len(item["points"]) for item in request["examples"]] == [3, 3, 2]
    page.keyboard.press("Escape")
    rows = page.get_by_test_id("legend-row")
    expect(rows).to_have_count(3, timeout=JOB_TIMEOUT_MS)
    check_downloads(page, tmp_path)
    wait_for_map(page)
    rows.first.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "52-class-legend.png")

    with page.expect_request(lambda request: "/mask_tiles/" in request.url and "hidden=2" in request.url):
        rows.nth(1).get_by_role("checkbox").click()
    slider = page.get_by_test_id("min-probability").bounding_box()
    with page.expect_request(lambda request: "min_probability=" in request.url):
        page.mouse.click(slider["x"] + 0.6 * slider["width"], slider["y"] + slider["height"] / 2)
    page.wait_for_timeout(1500)  # empty tiles are answered without a picture, and the map never says it is complete
    page.screenshot(path=screenshots / "53-class-probability.png")
    page.get_by_test_id("tab-result").click()
    expect(rows).to_have_count(3)
    click_pixel(page, 200, 380)
    expect(page.get_by_test_id("object-class")).to_have_text("lake", timeout=10_000)
    page.screenshot(path=screenshots / "54-class-object.png")
    assert page.faults == []


def check_downloads(page: Page, folder: Path) -> None:
    """Compare the downloaded classes with the scene and the legend."""
    for kind in ("tif", "geojson"):
        with page.expect_download() as download:
            page.get_by_test_id(f"download-{kind}").click()
        download.value.save_as(folder / f"classes.{kind}")
    with rasterio.open(folder / "classes.tif") as raster:
        values, colours, names = raster.read(1), raster.colormap(1), json.loads(raster.tags()["CLASSES"])
    assert names == {"1": "roof", "2": "meadow", "3": "lake"}
    assert len({colours[value][:3] for value in (1, 2, 3)}) == 3
    assert (values[350:] == 3).mean() > 0.9
    assert (values[70:130, 70:120] == 1).mean() > 0.6
    shown = page.get_by_test_id("legend-area").all_inner_texts()
    counted = np.bincount(values.ravel(), minlength=4)[1:] * PIXEL_HECTARES
    assert [float(text.removesuffix(" ha")) for text in shown] == pytest.approx(counted, rel=0.01)
    features = json.loads((folder / "classes.geojson").read_text())["features"]
    assert {item["properties"]["class"] for item in features} == set(CLICKS)
