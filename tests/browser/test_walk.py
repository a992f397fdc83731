"""One visitor's way through the page: question, upload, bands, segmentation, result, download, reload, language."""

from __future__ import annotations

import json
import sqlite3
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import rasterio
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.still import wait_until_still
from tests.serving import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
JOB_TIMEOUT_MS = 240_000


def draw_scene() -> np.ndarray:
    """Return uint16 (4, 400, 500): roofs on a meadow, as red, green, blue and near infrared."""
    noise = np.random.default_rng(1).normal(0, 20, (4, 400, 500))
    bands = np.array([400, 600, 350, 1500])[:, None, None] + noise
    for row, col in ((60, 60), (60, 220), (60, 380), (230, 90), (230, 260), (230, 400)):
        bands[:, row + 6 : row + 86, col + 6 : col + 76] *= 0.5
        bands[:, row : row + 80, col : col + 70] = np.array([1200, 700, 600, 700])[:, None, None]
    return bands.clip(1, 4000).astype("uint16")


def answer_of(server: ServerProcess, context: BrowserContext) -> int:
    """Read what the visitor's picture asks for, which only the server's database knows."""
    client = next(item["value"] for item in context.cookies() if item["name"] == "uuid")
    with sqlite3.connect(server.cache / "service.sqlite") as database:
        row = database.execute("select expected from human_checks where client_id = ?", (client,)).fetchone()
    database.close()
    return int(row[0])


def pass_question(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    page.wait_for_function("() => document.querySelector('#question').complete")
    answer = page.get_by_role("textbox")
    answer.fill(str(answer_of(server, page.context)))
    answer.press("Enter")
    expect(page.get_by_test_id("upload-button")).to_be_visible(timeout=20_000)


def wait_for_map(page: Page) -> None:
    """Wait until the map is on the page (it loads after the list of rasters) and has drawn all it asked for."""
    page.wait_for_function("() => window.rsMap !== undefined")
    page.evaluate(
        "() => new Promise(done => { window.rsMap.once('rendercomplete', () => done(true)); window.rsMap.render() })"
    )


@pytest.fixture
def page(browser: Browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US", accept_downloads=True)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on(
        "requestfinished",
        lambda request: (
            page.faults.append(request.url)
            if "127.0.0.1" not in request.url and request.url.startswith("http")
            else None
        ),
    )
    yield page
    context.close()


def test_the_whole_walk(asking_server, page, make_raster, tmp_path: Path, screenshots: Path):
    page.goto(asking_server.url)
    page.wait_for_function("() => document.querySelector('#question').complete")
    page.screenshot(path=screenshots / "1-question.png")
    before = page.locator("#question").get_attribute("src")
    page.locator("#another").click()
    expect(page.locator("#question")).not_to_have_attribute("src", before)
    pass_question(asking_server, page)
    page.screenshot(path=screenshots / "2-empty.png")

    # A raster without georeferencing and the world file that gives it a place, dropped together.
    raster = make_raster("roofs.tif", draw_scene(), crs="EPSG:32650", nodata=0)
    plain = make_raster("plain.png", draw_scene()[:3].clip(0, 255).astype("uint8"), driver="PNG", crs=None)
    world = tmp_path / "plain.pgw"
    world.write_text("0.5\n0\n0\n-0.5\n500000\n4400000\n")
    page.get_by_test_id("upload-input").set_input_files([plain, world])
    expect(page.get_by_test_id("side-files")).to_contain_text("plain.pgw", timeout=20_000)
    page.get_by_test_id("upload-input").set_input_files(raster)
    expect(page.get_by_test_id("crs")).to_contain_text("32650", timeout=20_000)
    expect(page.get_by_test_id("raster-item")).to_have_count(2)
    expect(page.get_by_test_id("dtype")).to_contain_text("uint16")

    page.get_by_test_id("band-preset-infraredRgb").click()
    expect(page.get_by_test_id("band-r")).to_have_value("4")
    wait_for_map(page)
    page.screenshot(path=screenshots / "3-bands.png")

    page.get_by_test_id("to-segmentation").click()
    page.get_by_test_id("step-parameters").click()
    wait_until_still(page.get_by_test_id("preset-fast"))
    page.get_by_test_id("preset-fast").click()
    page.screenshot(path=screenshots / "4-parameters.png")
    page.get_by_test_id("step-area").click()
    expect(page.get_by_test_id("full-cover")).to_be_visible()
    expect(page.get_by_test_id("own-resolution")).to_contain_text("0.5 m")
    with page.expect_request(lambda request: request.url.endswith("/segment") and request.method == "POST") as sent:
        page.get_by_test_id("run-button").click()
    request = json.loads(sent.value.post_data)
    assert request["rgb_index"][0] == 4
    assert not {"full_cover", "resolution_m"} & set(request), "options that were left alone are not sent"
    expect(page.get_by_test_id("progress")).to_be_visible()
    page.screenshot(path=screenshots / "5-progress.png")
    page.reload()  # the job goes on, and the page finds it again
    expect(page.get_by_test_id("result-count")).to_be_visible(timeout=JOB_TIMEOUT_MS)
    n_objects = int(page.get_by_test_id("result-count").get_attribute("data-count"))
    assert n_objects >= 1
    wait_for_map(page)
    page.screenshot(path=screenshots / "6-result.png")

    with page.expect_download() as download:
        page.get_by_test_id("download-tif").click()
    labels_path = tmp_path / "labels.tif"
    download.value.save_as(labels_path)
    with rasterio.open(labels_path) as labels, rasterio.open(raster) as source:
        assert (labels.width, labels.height, labels.crs) == (source.width, source.height, source.crs)
        assert labels.transform == source.transform
        values = labels.read(1)
    assert values.max() == n_objects

    slider = page.get_by_test_id("opacity").bounding_box()
    page.mouse.click(slider["x"] + 0.9 * slider["width"], slider["y"] + slider["height"] / 2)
    expect(page.get_by_text("55 %")).to_have_count(0)
    click_object(page, values)
    expect(page.get_by_test_id("object-card")).to_be_visible(timeout=10_000)
    page.screenshot(path=screenshots / "7-object.png")
    with page.expect_download() as vectors:
        page.get_by_test_id("download-geojson").click()
    vectors.value.save_as(tmp_path / "objects.geojson")
    assert len(json.loads((tmp_path / "objects.geojson").read_text())["features"]) == n_objects
    share_result(page, screenshots)

    page.reload()
    expect(page.get_by_test_id("result-count")).to_have_attribute("data-count", str(n_objects), timeout=20_000)
    page.get_by_test_id("language").click()
    page.get_by_text("中文").last.click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    wait_for_map(page)
    page.screenshot(path=screenshots / "8-chinese.png")
    assert page.faults == []


def share_result(page: Page, screenshots: Path) -> None:
    """Make a link, open it as a stranger without cookies, and withdraw it."""
    page.get_by_test_id("share-make").click()
    field = page.get_by_test_id("share-url")
    expect(field).to_be_visible()
    field.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "7b-share.png")
    url = field.input_value()
    assert status_for_strangers(url) == 200
    page.get_by_test_id("share-withdraw").click()
    expect(page.get_by_test_id("share-note")).to_contain_text("1 link withdrawn")
    assert status_for_strangers(url) == 404


def status_for_strangers(url: str) -> int:
    """Return the status that a program without cookies gets."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as refused:
        return refused.code


def click_object(page: Page, labels: np.ndarray) -> None:
    """Click the middle of an object on the map, found through the map's own transformation."""
    rows, cols = np.nonzero(labels == np.bincount(labels[labels > 0]).argmax())
    middle = len(rows) // 2
    x, y = 500_000 + 0.5 * (cols[middle] + 0.5), 4_400_000 - 0.5 * (rows[middle] + 0.5)
    from rasterio.warp import transform

    (mercator_x,), (mercator_y,) = transform("EPSG:32650", "EPSG:3857", [x], [y])
    at = page.evaluate("xy => window.rsMap.getPixelFromCoordinate(xy)", [mercator_x, mercator_y])
    box = page.get_by_test_id("map").bounding_box()
    page.mouse.click(box["x"] + at[0], box["y"] + at[1])


def test_errors_show_the_servers_sentence(asking_server, page, tmp_path: Path, screenshots: Path):
    pass_question(asking_server, page)
    path = tmp_path / "broken.tif"
    path.write_bytes(b"II*\0 this is no raster")
    page.get_by_test_id("upload-input").set_input_files(path)
    banner = page.get_by_test_id("error-banner")
    expect(banner).to_be_visible(timeout=20_000)
    expect(banner).to_contain_text(".")
    page.screenshot(path=screenshots / "9-error.png")


def test_the_page_works_on_a_phone(asking_server, browser, screenshots: Path):
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN", has_touch=True)
    page = context.new_page()
    page.goto(asking_server.url)
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.wait_for_function("() => document.querySelector('#question').complete")
    page.get_by_role("textbox").fill(str(answer_of(asking_server, context)))
    page.locator("#send").click()
    page.get_by_test_id("sample-button").first.click()
    expect(page.get_by_test_id("raster-item")).to_be_visible(timeout=30_000)
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 390
    wait_for_map(page)
    page.screenshot(path=screenshots / "10-phone.png")
    context.close()
