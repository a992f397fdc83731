"""From a click on a raster of any kind to an outline in its right place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer
from rasterio.transform import from_origin

from server.errors import BadParameter, NotARaster
from server.segmentation.prompting import drawing
from server.segmentation.prompting.earlier_masks import Owner
from tests.segmentation.prompting.bright_areas import OWNER, draw_spots

MakeRaster = Callable[..., Path]
ROTATED = Affine.translation(500_000, 4_400_000) @ Affine.rotation(25) @ Affine.scale(0.5, -0.5)


def pixel_outline(source: Path, feature: dict[str, Any]) -> shapely.Geometry:
    """Return the outline of a feature in pixels of its raster."""
    outline = shapely.geometry.shape(feature["geometry"])
    with rasterio.open(source) as raster:
        if raster.crs is None:
            return outline
        to_crs = Transformer.from_crs("EPSG:4326", raster.crs, always_xy=True)
        back = ~raster.transform

        def carry(points: np.ndarray) -> np.ndarray:
            return np.stack(back * to_crs.transform(points[:, 0], points[:, 1]), axis=1)

        return shapely.transform(outline, carry)


def assert_is_box(source: Path, feature: dict[str, Any], box: tuple[int, int, int, int], within: float = 0.05) -> None:
    """Check that the outline is the rectangle (col, row, width, height), to `within` pixels."""
    col, row, width, height = box
    outline = pixel_outline(source, feature)
    assert outline.is_valid
    np.testing.assert_allclose(outline.bounds, (col, row, col + width, row + height), atol=within)
    assert outline.area == pytest.approx(width * height, abs=4 * within * (width + height))


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"transform": ROTATED},
        {"transform": Affine(0.5, 0, 500_000, 0, 0.5, 4_400_000)},
        {"crs": "EPSG:4326", "transform": from_origin(116.3, 39.9, 1e-5, 1e-5)},
        {"crs": None},
    ],
    ids=["utm", "rotated", "south-up", "geographic", "no crs"],
)
def test_a_click_finds_its_object_on_any_raster(ask: Any, make_raster: MakeRaster, place: dict[str, Any]) -> None:
    source = make_raster(bands=draw_spots((200, 150), (120, 70, 20, 12), (20, 20, 10, 10)), **place)
    (mask,) = ask(source, (125, 75, 1)).masks
    assert mask.area_px == 240
    assert mask.predicted_iou == 0.9
    assert_is_box(source, mask.feature, (120, 70, 20, 12))
    assert mask.feature["properties"]["bbox"] == [120, 70, 20, 12]
    assert json.loads(json.dumps(mask.feature, allow_nan=False)) == json.loads(json.dumps(mask.feature))
    if place.get("crs", "") is None:
        assert mask.area_m2 is None
    elif "EPSG:4326" in place.values():
        assert mask.area_m2 == pytest.approx(240 * 1e-10 * 111_320**2 * np.cos(np.radians(39.9)), rel=0.01)
    else:
        assert mask.area_m2 == pytest.approx(240 * 0.25, rel=0.002)


def test_a_place_on_the_map_is_the_same_click(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((200, 150), (120, 70, 20, 12)), transform=ROTATED)
    x, y = ROTATED @ (125.0, 75.0)
    lon, lat = Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True).transform(x, y)
    (mask,) = ask(source, (lon, lat, 1), space="map").masks
    assert_is_box(source, mask.feature, (120, 70, 20, 12))


def test_masks_come_best_first_with_ids_of_their_own(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((64, 48), (10, 10, 8, 8), (30, 30, 8, 8)))
    masks = ask(source, (12, 12, 1), multimask=True).masks
    assert [mask.predicted_iou for mask in masks] == [0.9, pytest.approx(0.7)]
    # The third one, everything bright, is the first one again where it was clicked on.
    assert [mask.area_px for mask in masks] == [64, 100]
    assert len({mask.id for mask in masks}) == 2


def test_an_object_in_two_pieces_takes_a_click_on_each(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((64, 48), (10, 10, 8, 8), (30, 30, 8, 8)))
    (mask,) = ask(source, (12, 12, 1), (32, 32, 1)).masks
    assert mask.area_px == 128
    assert mask.feature["geometry"]["type"] == "MultiPolygon"


def test_a_look_alike_stays_out_where_the_network_saw_fewer_pixels(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((400, 400), (20, 20, 340, 100), (20, 200, 100, 100)))
    masks = ask(source, (60, 60, 1), multimask=True).masks
    assert masks[0].area_px == pytest.approx(340 * 100, rel=0.05)
    assert len(masks) == 2
    assert all(shapely.geometry.shape(mask.feature["geometry"]).geom_type == "Polygon" for mask in masks)


def test_holes_and_pixels_without_data_are_left_out(ask: Any, make_raster: MakeRaster) -> None:
    bands = draw_spots((64, 48), (10, 10, 20, 20))
    bands[:, 15:20, 15:20] = 0
    source = make_raster(bands=bands, nodata=0)
    (mask,) = ask(source, (12, 12, 1)).masks
    outline = pixel_outline(source, mask.feature)
    assert mask.area_px == 400 - 25
    assert len(outline.interiors) == 1
    assert ask(source, (17, 17, 1)).masks == []


def test_no_data_stays_out_where_the_network_saw_fewer_pixels(ask: Any, make_raster: MakeRaster) -> None:
    bands = draw_spots((200, 200), (20, 20, 150, 150))
    bands[:, 101, 101] = 0  # vanishes in an average
    source = make_raster(bands=bands, nodata=0)
    answer = ask(source, (60, 60, 1))
    (mask,) = answer.masks
    assert answer.window[2:] == (200, 200)
    outline = pixel_outline(source, mask.feature)
    assert not outline.contains(shapely.Point(101.5, 101.5))
    assert outline.contains(shapely.Point(103.5, 103.5))
    assert mask.area_px == pytest.approx(150 * 150, rel=0.05)


def test_only_nodata_answers_nothing(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=np.zeros((3, 48, 64), dtype=np.uint8), nodata=0)
    assert ask(source, (10, 10, 1)).masks == []
    assert ask.network.seen == []


@pytest.mark.parametrize("spot", [(0, 0, 10, 10), (290, 0, 10, 10), (0, 190, 10, 10), (290, 190, 10, 10)])
def test_objects_at_the_rasters_edge_are_whole(ask: Any, make_raster: MakeRaster, spot: tuple[int, ...]) -> None:
    source = make_raster(bands=draw_spots((300, 200), spot))  # type: ignore[arg-type]
    (mask,) = ask(source, (spot[0] + 9.9, spot[1] + 9.9, 1)).masks
    assert_is_box(source, mask.feature, spot)  # type: ignore[arg-type]
    assert len(ask.network.seen) == 1  # the raster's border cuts nothing


def test_an_object_cut_by_the_window_is_centred(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((400, 400), (158, 150, 50, 20)))
    (mask,) = ask(source, (161, 160, 1)).masks
    assert_is_box(source, mask.feature, (158, 150, 50, 20))
    assert [seen.shape for seen in ask.network.seen] == [(64, 64, 3)] * 2


def test_a_large_object_is_seen_from_further_away(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((1000, 800), (200, 300, 420, 96)))
    answer = ask(source, (230, 350, 1))
    (mask,) = answer.masks
    assert answer.window.width >= 512
    assert_is_box(source, mask.feature, (200, 300, 420, 96), within=8)  # a pixel of the look
    assert mask.area_px == pytest.approx(420 * 96, rel=0.05)


def test_what_fills_the_raster_ends_with_the_raster(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((500, 500), (0, 0, 500, 495)))
    answer = ask(source, (250, 250, 1))
    assert tuple(answer.window) == (0, 0, 500, 500)
    assert answer.masks[0].area_px == pytest.approx(500 * 495, rel=0.02)
    assert pixel_outline(source, answer.masks[0].feature).bounds[:3:2] == pytest.approx((0, 500), abs=0.05)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (3, 70)])
def test_narrow_rasters(ask: Any, make_raster: MakeRaster, size: tuple[int, int]) -> None:
    width, height = size
    spot = (max(0, width // 2 - 10), max(0, height // 2 - 10), min(20, width), min(20, height))
    source = make_raster(bands=draw_spots(size, spot))
    answer = ask(source, (width / 2, height / 2, 1))
    if size == (1, 1):
        return  # one value has no contrast; nothing to be found, and nothing breaks
    assert_is_box(source, answer.masks[0].feature, spot)


def test_a_box_that_does_not_fit_is_seen_from_further_away(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((400, 400), (100, 100, 100, 40)))
    answer = ask(source, box=(90, 90, 210, 150))
    assert len(ask.network.seen) == 1
    assert answer.window.width == 256
    assert_is_box(source, answer.masks[0].feature, (100, 100, 100, 40), within=4)


def test_very_large_masks_keep_the_resolution_of_the_look(
    ask: Any, make_raster: MakeRaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "MAX_DRAWN_PX", 1000)
    source = make_raster(bands=draw_spots((1000, 800), (200, 300, 420, 96)))
    (mask,) = ask(source, (230, 350, 1)).masks
    assert_is_box(source, mask.feature, (200, 300, 420, 96), within=16)


def test_a_mask_is_corrected_in_its_own_window(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((400, 400), (150, 150, 10, 10), (170, 150, 10, 10)))
    both = ask(source, (155, 155, 1), (175, 155, 1))
    assert both.masks[0].area_px == 200
    one = ask(source, (177, 155, 0), previous=both.masks[0].id)
    assert one.window == both.window
    assert_is_box(source, one.masks[0].feature, (150, 150, 10, 10))
    np.testing.assert_array_equal(ask.network.earlier[-1] > 0, ask.network._draw_logits(_bright(ask.network)) > 0)


def _bright(network: Any) -> np.ndarray:
    return network.seen[-1][..., 0] > 100


def test_a_correction_elsewhere_carries_the_mask_along(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((400, 400), (150, 150, 10, 10), (210, 150, 10, 10)))
    first = ask(source, (155, 155, 1))
    second = ask(source, (215, 155, 1), previous=first.masks[0].id)
    assert second.window != first.window
    assert second.masks[0].area_px == pytest.approx(200, abs=20)
    assert second.masks[0].feature["geometry"]["type"] == "MultiPolygon"


def test_nobody_goes_on_from_the_mask_of_another(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((64, 48), (10, 10, 8, 8)))
    mask = ask(source, (12, 12, 1)).masks[0]
    for other in (OWNER._replace(client="another"), OWNER._replace(raster="another"), OWNER._replace(checkpoint="x")):
        with pytest.raises(BadParameter) as caught:
            ask(source, (12, 12, 1), owner=Owner(*other), previous=mask.id)
        assert caught.value.field == "previous"


def test_previews_push_out_no_mask(ask: Any, make_raster: MakeRaster) -> None:
    source = make_raster(bands=draw_spots((64, 48), (10, 10, 8, 8)))
    first = ask(source, (12, 12, 1)).masks[0]
    n_bytes = ask.memory.masks.n_bytes
    (preview,) = ask(source, (13, 12, 1), keep=False).masks
    assert (preview.id, preview.area_px) == (None, first.area_px)
    assert ask.memory.masks.n_bytes == n_bytes
    assert ask(source, (14, 12, 1), previous=first.id, keep=False).masks[0].id is None


def test_wrong_prompts_wake_no_network(make_raster: MakeRaster, ask: Any) -> None:
    ask.network = None
    with pytest.raises(BadParameter):
        ask(make_raster(), (1000, 1000, 1))


def test_a_broken_raster_is_refused(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.tif").write_bytes(b"II*\0 and nothing else")
    with pytest.raises(NotARaster):
        ask(tmp_path / "broken.tif", (1, 1, 1))
