"""Datasets from boxes in the page: send an archive, review by keyboard, correct with clicks, take the result home."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_walk import JOB_TIMEOUT_MS, draw_scene
from tests.serving import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ANSWER_TIMEOUT_MS = 30_000
WIDTH, HEIGHT = 500, 400
# Left and top of the roofs, which are 70 x 80 pixels; class 0 is in the upper row, 1 in the lower one.
ROOFS = [(0, 60, 60), (0, 220, 60), (0, 380, 60), (1, 90, 230), (1, 260, 230), (1, 400, 230)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive as people pack them: images, YOLO labels, names of the classes."""
    picture = io.BytesIO()
    scene = draw_scene()[:3]
    Image.fromarray((scene.transpose(1, 2, 0) / 2000 * 255).clip(0, 255).astype(np.uint8)).save(picture, "PNG")
    rows = [
        f"{kind} {(left + 35) / WIDTH} {(top + 40) / HEIGHT} {70 / WIDTH} {80 / HEIGHT}" for kind, left, top in ROOFS
    ]
    path = tmp_path / "roofs.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("images/roofs.png", picture.getvalue())
        packed.writestr("labels/roofs.txt", "\n".join(rows))
        packed.writestr("classes.txt", "house\nbarn\n")
    return path


def build(page: Page, server: ServerProcess, archive: Path, screenshots: Path) -> None:
    page.goto(server.url)
    page.get_by_test_id("datasets-open").click()
    expect(page.get_by_test_id("datasets-none")).to_have_text("Nothing here yet.")
    page.get_by_test_id("dataset-input").set_input_files(archive)
    expect(page.get_by_test_id("dataset-file")).to_have_text("roofs.zip")
    page.wait_for_timeout(500)  # until the dialog has come to rest
    page.screenshot(path=screenshots / "60-dataset-upload.png")
    page.get_by_test_id("dataset-send").click()
    item = page.get_by_test_id("dataset-item")
    expect(item).to_have_attribute("data-state", "done", timeout=JOB_TIMEOUT_MS)
    expect(item).to_contain_text("masks from 6 boxes in 1 images")
    page.wait_for_timeout(500)  # until the ripples on the buttons have gone
    page.screenshot(path=screenshots / "61-dataset-list.png")


def download(page: Page) -> dict[str, list[dict[str, object]]]:
    with page.expect_download() as started:
        page.get_by_test_id("dataset-download").click()
    with zipfile.ZipFile(started.value.path()) as packed:
        assert packed.testzip() is None
        return {name: json.loads(packed.read(f"{name}.json"))["annotations"] for name in ("instances", "rejected")}


def expect_decided(page: Page, told: str) -> None:
    expect(page.get_by_test_id("review-progress")).to_contain_text(told)


def wait_for_picture(page: Page) -> None:
    """Wait until the picture of the object on the screen is drawn."""
    page.wait_for_function(
        "() => { const image = document.querySelector('[data-test=review-picture] img');"
        " return image && image.complete && image.naturalWidth > 0 }"
    )


def click_pixel(page: Page, x: float, y: float, **options: object) -> None:
    """Click a pixel of the image in the picture."""
    picture = page.get_by_test_id("review-picture")
    col, row, width, height = (float(part) for part in picture.get_attribute("data-view").split(","))
    box = picture.bounding_box()
    place = {"x": (x - col) / width * box["width"], "y": (y - row) / height * box["height"]}
    picture.click(position=place, **options)


def test_a_dataset_is_built_reviewed_and_downloaded(server, page: Page, archive: Path, screenshots: Path):
    build(page, server, archive, screenshots)
    before = download(page)
    n_kept = len(before["instances"])
    assert n_kept >= 4, "the network outlines roofs"

    look_at_the_report(page, n_kept, screenshots)
    page.get_by_test_id("dataset-review").click()
    wait_for_picture(page)
    expect_decided(page, f"0 of {n_kept} decided")
    page.screenshot(path=screenshots / "62-review.png")
    look_on_a_phone(page, screenshots)
    first = page.get_by_test_id("review-picture").get_attribute("data-object")
    page.keyboard.press("a")
    expect_decided(page, f"1 of {n_kept} decided")
    page.keyboard.press("r")
    expect_decided(page, f"2 of {n_kept} decided")
    page.keyboard.press("r")
    expect_decided(page, f"3 of {n_kept} decided")
    expect(page.get_by_test_id("review-progress")).to_contain_text("1 accepted, 2 rejected, 0 corrected")
    page.keyboard.press("u")
    expect_decided(page, f"2 of {n_kept} decided")
    expect(page.get_by_test_id("review-state")).to_have_text("open")
    correct(page, screenshots)
    leave_and_come_back(page, n_kept, first)

    page.keyboard.press("Escape")
    after = download(page)
    assert len(after["instances"]) == n_kept - 1
    assert sorted(row.get("review", "") for row in after["instances"]) == [""] * (n_kept - 3) + [
        "accepted",
        "corrected",
    ]
    assert [row for row in after["rejected"] if row["rejected"] == "review"]
    remove(page)
    assert page.faults == []


def look_at_the_report(page: Page, n_kept: int, screenshots: Path) -> None:
    """The report opens beside the page, with its own style and pictures and nothing that runs."""
    with page.expect_popup() as opened:
        page.get_by_test_id("dataset-report").click()
    report = opened.value
    report.wait_for_load_state("load")
    refused: list[str] = []
    report.on("console", lambda message: refused.append(message.text))
    report.goto(report.url)  # once more, heard from its first line on
    expect(report.get_by_role("heading", level=1)).to_have_text("roofs")
    expect(report.locator("dl")).to_contain_text(f"Instances{n_kept}")
    for scheme, ground in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 25, 30)")):
        report.emulate_media(color_scheme=scheme)
        expect(report.locator("body")).to_have_css("background-color", ground)
        report.screenshot(path=screenshots / f"66-dataset-report-{scheme}.png", full_page=True)
    sizes = report.locator("img").evaluate_all("pictures => pictures.map(picture => picture.naturalWidth)")
    assert sizes
    assert all(size > 0 for size in sizes)
    assert refused == [], "the page asks for nothing that its policy forbids"
    report.close()


def look_on_a_phone(page: Page, screenshots: Path) -> None:
    """Picture and keys' buttons fit a phone without scrolling sideways."""
    page.set_viewport_size({"width": 390, "height": 844})
    box = page.get_by_test_id("review-picture").bounding_box()
    assert box["width"] > 250
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    for name in ("review-accept", "review-reject"):
        expect(page.get_by_test_id(name)).to_be_in_viewport(ratio=1)
    page.screenshot(path=screenshots / "65-review-phone.png")
    page.set_viewport_size({"width": 1280, "height": 800})


def correct(page: Page, screenshots: Path) -> None:
    """Click into the object and beside it; the answers are masks of their own."""
    col, row, width, height = (
        float(part) for part in page.get_by_test_id("review-picture").get_attribute("data-view").split(",")
    )
    for x, y, options in ((0.5, 0.5, {}), (0.06, 0.06, {"modifiers": ["Alt"]})):
        with page.expect_response("**/objects/*", timeout=ANSWER_TIMEOUT_MS) as answered:
            click_pixel(page, col + x * width, row + y * height, **options)
        assert answered.value.status == 200, answered.value.text()
    sent = json.loads(answered.value.request.post_data)["points"]
    assert [point[2] for point in sent] == [1, 0]
    assert sent[0][:2] == pytest.approx([col + width / 2, row + height / 2], abs=1)
    expect(page.get_by_test_id("review-state")).to_have_text("accepted, corrected by clicks")
    wait_for_picture(page)
    page.wait_for_timeout(300)
    page.screenshot(path=screenshots / "63-review-corrected.png")


def leave_and_come_back(page: Page, n_kept: int, first: str | None) -> None:
    """The server keeps the progress: a page that is loaded anew goes on with what is open."""
    page.reload()
    page.get_by_test_id("datasets-open").click()
    page.get_by_test_id("dataset-review").click()
    wait_for_picture(page)
    expect_decided(page, f"3 of {n_kept} decided")
    assert page.get_by_test_id("review-picture").get_attribute("data-object") != first
    page.get_by_test_id("review-class").click()
    page.get_by_role("option", name="barn").click()
    expect(page.get_by_test_id("review-object-class")).to_have_text("barn")


def remove(page: Page) -> None:
    page.get_by_test_id("dataset-delete").click()
    page.get_by_test_id("delete-confirm").click()
    expect(page.get_by_test_id("datasets-none")).to_be_visible()


def test_a_bad_archive_is_explained_in_chinese_too(server, page: Page, tmp_path: Path, screenshots: Path):
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as packed:
        packed.writestr("../outside.png", b"x")
    page.goto(server.url)
    page.get_by_test_id("language").click()
    page.get_by_role("option", name="中文").click()
    page.get_by_test_id("datasets-open").click()
    page.get_by_test_id("dataset-input").set_input_files(bad)
    page.get_by_test_id("dataset-send").click()
    expect(page.get_by_test_id("error-banner")).to_contain_text("points outside of it")
    expect(page.get_by_test_id("datasets")).to_contain_text("由检测框新建数据集")
    page.wait_for_timeout(500)
    page.screenshot(path=screenshots / "64-dataset-refused-zh.png")
    assert page.faults == []
