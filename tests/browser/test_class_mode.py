"""The class mode in the page: choose a fine-tuned checkpoint, find its class without prompts, take the result home."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import rasterio
from playwright.sync_api import Page, expect

from server.rasters.windows import PatchReader, PixelWindow
from server.segmentation.networks.cards import Card
from tests.browser.still import wait_until_still
from tests.browser.test_walk import JOB_TIMEOUT_MS, click_object, draw_scene, wait_for_map
from tests.serving import REPOSITORY, ServerProcess, serve

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
EMBEDDED = REPOSITORY / "ckpt" / "embedded.safetensors"
ROOFS = Card(
    name="roofs",
    file="roofs.safetensors",
    kind="embedded",
    base="embedded",
    class_name="roof",
    parameters=4_000_000,
    input_size=512,
    licence="Apache-2.0",
    data="nothing: the weights are the embedded ones",
    metrics={},
    note="Made by a test.",
)
MIN_AREA_PX = 300
# The part of the scene that the class is made to cover.
CLASS_SHARE = 0.25


def export_roofs(folder: Path, scene: Path) -> None:
    """Write the embedded network as fine-tuned for roofs, its cut-off moved so that it finds some in `scene`."""
    import torch  # would slow down the collection

    from server.segmentation.class_mode.network import SharedClassNetwork
    from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
    from server.segmentation.networks.embedded import load_embedded_sam
    from server.training.finetuning.export import export

    network = load_embedded_sam(EMBEDDED)
    with PatchReader(scene, (1, 2, 3)) as reader:
        rgb = reader.read_patch(PixelWindow(0, 0, 500, 400)).rgb
    predictor = CachingPredictor(network, ROOFS.name, EmbeddingCache(0))
    logits = SharedClassNetwork(predictor, nullcontext).find_class(rgb)
    decoder = network.mask_decoder
    with torch.no_grad():
        decoder.masks[-1].bias -= float(np.quantile(logits, 1 - CLASS_SHARE)) / decoder.logit_gain
    export(network, ROOFS, folder)


@pytest.fixture
def scene(make_raster) -> Path:
    return make_raster("roofs.tif", draw_scene(), crs="EPSG:32650", nodata=0)


@pytest.fixture
def server(built_page: None, tmp_path: Path, scene: Path) -> Iterator[ServerProcess]:
    """A server with the embedded checkpoint and one that was fine-tuned, without the question."""
    checkpoints = tmp_path / "ckpt"
    checkpoints.mkdir()
    shutil.copy(EMBEDDED, checkpoints)
    export_roofs(checkpoints, scene)
    with serve(tmp_path, human_check=False, checkpoint_folder=str(checkpoints)) as running:
        yield running


def test_a_class_is_found_without_prompts(server, page: Page, scene: Path, tmp_path: Path, screenshots: Path):
    page.goto(server.url)
    page.get_by_test_id("upload-input").set_input_files(scene)
    expect(page.get_by_test_id("crs")).to_contain_text("32650", timeout=20_000)
    wait_for_map(page)
    page.get_by_test_id("to-segmentation").click()
    expect(page.get_by_test_id("parameter-points_per_side")).to_be_visible()
    expect(page.get_by_test_id("mode-choice")).to_have_count(0)
    choose_the_class(page, screenshots)
    with page.expect_request(lambda request: request.url.endswith("/segment") and request.method == "POST") as sent:
        page.get_by_test_id("run-button").click()
    request = json.loads(sent.value.post_data)
    assert (request["mode"], request["checkpoint"]) == ("class", "roofs")
    assert request["min_mask_region_area"] == MIN_AREA_PX
    assert not {"points_per_side", "pred_iou_thresh", "full_cover"} & set(request), "what clicks need is not sent"

    count = page.get_by_test_id("result-count")
    expect(count).to_be_visible(timeout=JOB_TIMEOUT_MS)
    expect(page.get_by_test_id("result-options")).to_have_text("only roof")
    values = check_downloads(page, tmp_path, int(count.get_attribute("data-count")))
    wait_for_map(page)
    click_object(page, values)
    expect(page.get_by_test_id("object-class")).to_have_text("roof", timeout=10_000)
    expect(page.get_by_test_id("object-predicted-iou")).to_have_count(0)  # no click was rated
    page.screenshot(path=screenshots / "15-class-result.png")
    assert page.faults == []


def choose_the_class(page: Page, screenshots: Path) -> None:
    page.get_by_test_id("step-checkpoint").click()
    row = page.get_by_test_id("checkpoint-roofs")
    expect(row).to_contain_text("finds roof")
    wait_until_still(row)
    row.click()
    expect(page.get_by_test_id("mode-class")).to_have_text("Find roof")
    page.get_by_test_id("step-parameters").click()
    page.get_by_test_id("mode-everything").click()
    expect(page.get_by_test_id("parameter-points_per_side")).to_be_visible()
    page.get_by_test_id("mode-class").click()
    expect(page.get_by_test_id("parameter-points_per_side")).to_have_count(0)
    page.get_by_test_id("input-min_mask_region_area").fill(str(MIN_AREA_PX))
    page.get_by_test_id("input-min_mask_region_area").press("Tab")
    page.wait_for_timeout(500)  # until the ripples on the buttons have gone
    page.screenshot(path=screenshots / "14-class-mode.png")


def check_downloads(page: Page, folder: Path, n_areas: int) -> np.ndarray:
    """Check labels and polygons of the result, and return the labels."""
    assert n_areas >= 1
    for kind in ("tif", "geojson"):
        with page.expect_download() as download:
            page.get_by_test_id(f"download-{kind}").click()
        download.value.save_as(folder / f"result.{kind}")
    with rasterio.open(folder / "result.tif") as labels:
        values = labels.read(1)
    areas_px = np.bincount(values[values > 0])[1:]
    assert len(areas_px) == n_areas
    assert areas_px.min() >= MIN_AREA_PX
    features = json.loads((folder / "result.geojson").read_text())["features"]
    assert [item["properties"]["class"] for item in features] == ["roof"] * n_areas
    return values
