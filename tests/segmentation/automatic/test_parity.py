"""The masks are those of the package's generator, for the same network and the same parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from segment_anything import SamAutomaticMaskGenerator

from server.segmentation.automatic.generator import AutomaticMaskGenerator
from server.segmentation.mask_records import MaskRecord, Thresholds
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.networks.loading import load_network
from server.segmentation.parameters import MaskGeneratorSettings
from tests.segmentation.parity import draw_fields, make_official_sam, matched_share

# About a third of the random network's masks pass these. They all have nearly the same box.
OFFICIAL = {
    "points_per_side": 5,
    "pred_iou_thresh": 0.5,
    "stability_score_thresh": 0.3,
    "box_nms_thresh": 1.0,
    "crop_nms_thresh": 1.0,
}
GRIDS = tuple(
    tuple((float(x), float(y)) for x, y in np.random.default_rng(n).random((n, 2))) for n in (12, 3)
)  # one for the patch and one for its crops


@pytest.fixture(scope="module")
def official() -> Any:
    return make_official_sam()


@pytest.fixture(scope="module")
def embedded() -> Any:
    return load_network(CHECKPOINT_FOLDER, "embedded", torch.device("cpu"))


@pytest.fixture(scope="module")
def dividing(embedded: Any) -> dict[str, Any]:
    """Return parameters that about a third of the embedded network's masks pass, whatever its calibration is."""
    every = {"points_per_side": 5, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0}
    found = find_theirs(embedded, draw_fields(200, 256), every)
    return {
        "points_per_side": 5,
        "pred_iou_thresh": float(np.quantile([item["predicted_iou"] for item in found], 0.5)),
        "stability_score_thresh": float(np.quantile([item["stability_score"] for item in found], 0.33)),
    }


def find_ours(network: Any, rgb: np.ndarray, values: dict[str, Any]) -> list[MaskRecord]:
    predictor = CachingPredictor(network, "any", EmbeddingCache(0))
    generator = AutomaticMaskGenerator(predictor, MaskGeneratorSettings(**values), lambda: None)
    return generator.generate(rgb, lambda _share: None)


def find_theirs(network: Any, rgb: np.ndarray, values: dict[str, Any]) -> list[dict[str, Any]]:
    if "point_grids" in values:
        grids = [np.array(grid) for grid in values["point_grids"]]
        values = {**values, "points_per_side": None, "point_grids": grids}
    return SamAutomaticMaskGenerator(network, **values).generate(rgb)


@pytest.mark.parametrize(
    ("size", "extra", "n_least"),
    [
        ((256, 256), {}, 10),
        ((200, 300), {"points_per_batch": 7, "stability_score_offset": 0.2}, 10),
        ((500, 130), {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}, 30),
        ((120, 150), {"crop_n_layers": 1, "crop_n_points_downscale_factor": 2, "crop_overlap_ratio": 0.5}, 5),
        ((120, 150), {"crop_n_layers": 1, "point_grids": GRIDS}, 5),
        ((256, 200), {"min_mask_region_area": 100}, 1),
        ((1, 200), {"pred_iou_thresh": 0.0}, 1),
        ((1, 1), {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}, 1),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_official_networks(official: Any, size: tuple[int, int], extra: dict[str, Any], n_least: int) -> None:
    values = {**OFFICIAL, **extra}
    rgb = draw_fields(*size)
    ours, theirs = find_ours(official, rgb, values), find_theirs(official, rgb, values)
    assert len(theirs) >= n_least
    assert matched_share(ours, theirs) >= 0.99


@pytest.mark.parametrize(
    ("size", "extra"),
    [
        ((256, 256), {}),
        ((180, 240), {"min_mask_region_area": 150, "box_nms_thresh": 0.4}),
        ((90, 150), {"crop_n_layers": 1, "point_grids": GRIDS, "min_mask_region_area": 40, "crop_nms_thresh": 0.5}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_embedded_network(
    embedded: Any, dividing: dict[str, Any], size: tuple[int, int], extra: dict[str, Any]
) -> None:
    values = {**dividing, **extra}
    rgb = draw_fields(*size)
    ours, theirs = find_ours(embedded, rgb, values), find_theirs(embedded, rgb, values)
    assert len(theirs) >= 3
    assert matched_share(ours, theirs) >= 0.99


def test_what_neither_finds_is_an_empty_list(official: Any) -> None:
    values = {**OFFICIAL, "pred_iou_thresh": 9.0}
    rgb = draw_fields(64, 64)
    assert find_ours(official, rgb, values) == find_theirs(official, rgb, values) == []


def test_clicks_at_chosen_places_are_a_grid_of_their_own(official: Any) -> None:
    rgb = draw_fields(100, 160)
    points = np.array(GRIDS[0]) * (160, 100)
    predictor = CachingPredictor(official, "any", EmbeddingCache(1 << 24))
    # Neither the grid and the crop layers of the settings nor their thresholds count.
    settings = MaskGeneratorSettings(points_per_side=2, crop_n_layers=1, box_nms_thresh=1.0, pred_iou_thresh=1.0)
    generator = AutomaticMaskGenerator(predictor, settings, lambda: None)
    told: list[float] = []
    ours = generator.generate_at(rgb, points, Thresholds(0.5, 0.3), told.append)
    values = {**OFFICIAL, "point_grids": GRIDS}
    assert matched_share(ours, find_theirs(official, rgb, values)) >= 0.99
    assert len(ours) >= 3
    assert told == [0.0]
    assert generator.generate_at(rgb, points[:0], Thresholds(0.5, 0.3), told.append) == []


@pytest.fixture(scope="module")
def usual(official: Any) -> list[MaskRecord]:
    # On so small an image no crop's edge is far from the image's, so masks that fill a crop stay.
    return find_ours(official, draw_fields(36, 38), {**OFFICIAL, "crop_n_layers": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("points_per_side", 4),
        ("point_grids", GRIDS),
        ("pred_iou_thresh", 0.8),
        ("stability_score_thresh", 0.6),
        ("stability_score_offset", 0.5),
        ("box_nms_thresh", 0.5),
        ("crop_n_layers", 0),
        ("crop_nms_thresh", 0.5),
        ("crop_overlap_ratio", 0.1),
        ("crop_n_points_downscale_factor", 2),
        ("min_mask_region_area", 40),
    ],
)
def test_every_parameter_counts(official: Any, usual: list[MaskRecord], name: str, value: Any) -> None:
    changed = find_ours(official, draw_fields(36, 38), {**OFFICIAL, "crop_n_layers": 1, name: value})
    before, after = (
        [(record.bbox_xywh, record.area_px, record.stability_score, record.point_xy) for record in records]
        for records in (usual, changed)
    )
    assert before != after
