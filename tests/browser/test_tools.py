"""Tools of the map: preview, prompts in numbers, imported boxes, measuring, basemap; on a phone and in Chinese too."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.test_annotations import HOUSES, expect_count, open_scene, write_houses
from tests.browser.test_prompts import ANSWER_TIMEOUT_MS, screen_place
from tests.browser.test_walk import JOB_TIMEOUT_MS, draw_scene, wait_for_map
from tests.serving import serve

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
# The middles of the three roofs in the upper row of the scene.
ROOFS = [(95.0, 100.0), (255.0, 100.0), (415.0, 100.0)]
PHONE = {"width": 390, "height": 844}
TILES = "https://tiles.example.org/{z}/{x}/{y}.png"
ATTRIBUTION = "Map data of a test"
# What vue-i18n shows for a text that is missing.
UNTRANSLATED = re.compile(r"\b(?:prompts|series|measure|imports|basemap|objects|edit|map|panel|shortcuts)\.\w+")


@pytest.fixture
def scene(make_raster) -> Path:
    return make_raster("roofs.tif", draw_scene(), crs="EPSG:32650", nodata=0)


def record_strangers(page: Page) -> list[str]:
    """Collect the addresses of requests that leave the machine."""
    strangers: list[str] = []

    def look(request: Request) -> None:
        if request.url.startswith("http") and "127.0.0.1" not in request.url:
            strangers.append(request.url)

    page.on("request", look)
    return strangers


def draw_tile() -> bytes:
    """Draw a tile of a basemap: streets around a block."""
    tile = Image.new("RGB", (256, 256), "#f2efe9")
    pen = ImageDraw.Draw(tile)
    pen.rectangle((0, 0, 255, 255), outline="#f6c667", width=8)
    pen.line((0, 128, 256, 128), fill="#ffffff", width=6)
    buffer = io.BytesIO()
    tile.save(buffer, "PNG")
    return buffer.getvalue()


def click_places(page: Page, places: list[tuple[float, float]]) -> None:
    """Click pixels of the raster one after another, the last one twice, which ends a shape."""
    for place in places:
        page.mouse.click(*screen_place(page, *place))
        page.wait_for_timeout(350)  # two quick clicks would be a double click
    page.mouse.dblclick(*screen_place(page, *places[-1]))


def test_a_resting_mouse_shows_what_a_click_would_take(server, page, scene: Path, screenshots: Path):
    strangers = record_strangers(page)
    open_scene(page, server, scene)
    with page.expect_response("**/predict", timeout=ANSWER_TIMEOUT_MS) as looked_ahead:
        page.get_by_test_id("prompt-toggle").click()
    assert json.loads(looked_ahead.value.request.post_data)["keep"] is False
    expect(page.get_by_test_id("prompt-preview")).to_have_attribute("aria-pressed", "true")
    with page.expect_response("**/predict", timeout=ANSWER_TIMEOUT_MS) as answered:
        page.mouse.move(*screen_place(page, *ROOFS[1]), steps=3)
    asked = json.loads(answered.value.request.post_data)
    assert (len(asked["points"]), asked["previous"], asked["keep"]) == (1, None, False)
    (preview, *_) = answered.value.json()["masks"]
    wait_for_map(page)
    page.screenshot(path=screenshots / "28-preview.png")
    expect(page.get_by_test_id("prompt-accept")).to_be_disabled()

    # What the click takes is what was shown.
    with page.expect_response("**/predict", timeout=ANSWER_TIMEOUT_MS) as answered:
        page.mouse.click(*screen_place(page, *ROOFS[1]))
    assert answered.value.json()["masks"][0]["feature"]["geometry"] == preview["feature"]["geometry"]

    # An object in progress is left alone, and so is everything once the preview is off.
    expect(page.get_by_test_id("prompt-status")).to_contain_text("IoU", timeout=ANSWER_TIMEOUT_MS)
    asked_again: list[str] = []
    page.on("request", lambda request: asked_again.append(request.url) if request.url.endswith("/predict") else None)
    page.mouse.move(*screen_place(page, *ROOFS[2]))
    page.wait_for_timeout(400)
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    page.mouse.move(*screen_place(page, *ROOFS[0]))
    page.wait_for_timeout(400)
    assert asked_again == []
    assert strangers == []
    assert page.faults == []


def test_prompts_along_a_line_and_boxes_of_a_file_become_objects(
    server, page, scene: Path, tmp_path: Path, screenshots: Path
):
    open_scene(page, server, scene)
    page.get_by_test_id("class-name").fill("roof")
    page.get_by_test_id("prompt-toggle").click()
    page.keyboard.press("l")
    click_places(page, [ROOFS[0], (430.0, 100.0)])
    expect(page.get_by_test_id("series-status")).to_contain_text("prompts")
    spacing = page.get_by_test_id("series-spacing")
    spacing.fill("80")  # metres, 160 pixels: the roofs' distance
    spacing.press("Tab")
    expect(page.get_by_test_id("series-status")).to_contain_text("3 prompts")
    wait_for_map(page)
    page.screenshot(path=screenshots / "29-line-of-prompts.png")
    with page.expect_request("**/annotations/prompts") as sent:
        page.get_by_test_id("series-send").click()
    body = json.loads(sent.value.post_data)
    assert (len(body["prompts"]), body["space"], body["class"]) == (3, "pixel", "roof")
    for prompt, place in zip(body["prompts"], ROOFS, strict=True):
        assert prompt["point"] == pytest.approx(place, abs=2)
    expect(page.get_by_test_id("prompt-job-result")).to_contain_text("added", timeout=JOB_TIMEOUT_MS)
    expect_count(page, 3)
    expect(page.get_by_test_id("annotation-item").filter(has_text="roof")).to_have_count(3)
    wait_for_map(page)
    page.screenshot(path=screenshots / "30-line-of-objects.png")
    page.keyboard.press("Control+z")
    expect_count(page, 0)
    expect(page.get_by_test_id("prompt-job-result")).to_have_count(0)
    page.keyboard.press("Escape")

    import_path = write_houses(tmp_path / "houses.geojson", HOUSES[2:3], "EPSG:3857")
    page.get_by_test_id("annotation-import-input").set_input_files(import_path)
    expect(page.get_by_test_id("import-dialog")).to_be_visible()
    page.wait_for_timeout(300)  # until the dialog stands still
    page.screenshot(path=screenshots / "31-import.png")
    page.get_by_test_id("import-boxes").click()
    expect(page.get_by_test_id("prompt-job-notes")).to_contain_text("3857", timeout=JOB_TIMEOUT_MS)
    expect_count(page, 1)
    assert page.faults == []


def test_distances_and_areas_are_measured_on_the_map(server, page, scene: Path, screenshots: Path):
    open_scene(page, server, scene)
    page.keyboard.press("d")
    click_places(page, [ROOFS[0], ROOFS[2]])
    status = page.get_by_test_id("measure-status")
    expect(status).to_contain_text(re.compile(r"^(159\.[5-9]|160(\.[0-5])?) m$"))
    page.keyboard.press("Escape")
    expect(status).to_contain_text("Click along")
    page.keyboard.press("a")
    click_places(page, [(60.0, 60.0), (290.0, 60.0), (290.0, 140.0), (60.0, 140.0)])
    expect(status).to_contain_text("m around")
    area = float(status.inner_text().split(" m²")[0].replace(",", ""))
    assert area == pytest.approx(230 * 80 * 0.25, rel=0.02)
    page.mouse.move(*screen_place(page, 250.0, 350.0))
    expect(page.get_by_test_id("own-coordinates")).to_contain_text("EPSG:32650 500125")
    wait_for_map(page)
    page.screenshot(path=screenshots / "32-measure.png")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(status).to_have_count(0)
    assert page.faults == []


def test_a_basemap_is_asked_for_only_when_switched_on(page, scene: Path, tmp_path: Path, screenshots: Path):
    strangers = record_strangers(page)
    tile = draw_tile()
    page.context.route("https://tiles.example.org/**", lambda route: route.fulfill(body=tile, content_type="image/png"))
    settings = {"basemap_url": TILES, "basemap_attribution": ATTRIBUTION}
    with serve(tmp_path, human_check=False, **settings) as server:
        open_scene(page, server, scene)
        expect(page.get_by_test_id("basemap")).to_have_attribute("aria-pressed", "false")
        assert strangers == []
        with page.expect_request("https://tiles.example.org/**"):
            page.get_by_test_id("basemap").click()
        expect(page.get_by_test_id("basemap-attribution")).to_have_text(ATTRIBUTION)
        wait_for_map(page)
        page.screenshot(path=screenshots / "33-basemap.png")
        page.reload()
        expect(page.get_by_test_id("basemap-attribution")).to_be_visible(timeout=20_000)


@contextmanager
def phone(browser: Browser, locale: str) -> Iterator[Page]:
    context = browser.new_context(viewport=PHONE, locale=locale, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    context.close()


def check_layout(page: Page) -> None:
    """Nothing is wider than the screen, and every text is there."""
    assert page.evaluate("() => document.documentElement.scrollWidth") <= page.viewport_size["width"]
    bar = page.locator(".rs-bar")
    if bar.count() > 0:
        box = bar.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"]
    assert UNTRANSLATED.search(page.locator("body").inner_text()) is None


@pytest.mark.parametrize(("locale", "number"), [("en-US", 34), ("zh-CN", 37)])
def test_the_tools_fit_a_phone(server, browser: Browser, scene: Path, screenshots: Path, locale: str, number: int):
    with phone(browser, locale) as page:
        page.goto(server.url)
        page.get_by_test_id("upload-input").set_input_files(scene)
        expect(page.get_by_test_id("crs")).to_contain_text("32650", timeout=20_000)
        page.get_by_test_id("tab-objects").click()
        page.get_by_test_id("prompt-help").click()
        page.wait_for_timeout(500)  # until it has opened
        page.get_by_test_id("prompt-help").locator("dd").last.scroll_into_view_if_needed()
        check_layout(page)
        page.screenshot(path=screenshots / f"{number}-phone-help-{locale}.png")
        page.get_by_test_id("prompt-toggle").click()
        wait_for_map(page)
        expect(page.get_by_test_id("prompt-preview")).to_have_count(0)
        page.touchscreen.tap(*screen_place(page, *ROOFS[1]))
        expect(page.get_by_test_id("prompt-status")).to_contain_text("IoU", timeout=ANSWER_TIMEOUT_MS)
        check_layout(page)
        page.screenshot(path=screenshots / f"{number + 1}-phone-prompt-{locale}.png")
        page.get_by_test_id("prompt-series").click()
        page.get_by_test_id("series-polygon").click()
        for corner in [(30.0, 30.0), (470.0, 30.0), (470.0, 370.0), (30.0, 370.0), (30.0, 30.0)]:
            page.touchscreen.tap(*screen_place(page, *corner))
            page.wait_for_timeout(350)  # two quick taps would be a double tap
        expect(page.get_by_test_id("series-spacing")).to_be_visible()
        check_layout(page)
        page.screenshot(path=screenshots / f"{number + 2}-phone-series-{locale}.png")
        assert page.faults == []
