"""Crops and clicks are where the package has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segment_anything.utils.amg import build_all_layer_point_grids, generate_crop_boxes, is_box_near_crop_edge

from server.errors import BadParameter
from server.segmentation.automatic.crops import Crop, count_useful_layers, grid_points, plan_crops, touches_inner_edge
from server.segmentation.parameters import MaskGeneratorSettings


@pytest.mark.parametrize("size", [(1024, 1024), (333, 777), (200, 64), (65, 130)])
@pytest.mark.parametrize("ratio", [0.0, 512 / 1500, 0.9])
def test_crops_are_those_of_the_package(size: tuple[int, int], ratio: float) -> None:
    crops = plan_crops(size, MaskGeneratorSettings(crop_n_layers=3, crop_overlap_ratio=ratio))
    boxes, layers = generate_crop_boxes(size, 3, ratio)
    assert [list(crop.box_xyxy) for crop in crops] == boxes
    assert [crop.layer for crop in crops] == layers
    assert crops[0].size == size
    assert crops[0].area_px == size[0] * size[1]


def test_layers_without_visible_crops_are_left_out() -> None:
    assert [count_useful_layers(side) for side in (1, 7, 15, 16, 63, 64)] == [0, 0, 0, 1, 2, 3]
    assert len(plan_crops((16, 500), MaskGeneratorSettings(crop_n_layers=3))) == 5


@pytest.mark.parametrize(("n_per_side", "factor"), [(1, 1), (32, 1), (9, 2), (64, 3)])
def test_grids_are_those_of_the_package(n_per_side: int, factor: int) -> None:
    settings = MaskGeneratorSettings(
        points_per_side=n_per_side, crop_n_layers=2 if factor > 1 else 0, crop_n_points_downscale_factor=factor
    )
    for layer, theirs in enumerate(build_all_layer_point_grids(n_per_side, settings.crop_n_layers, factor)):
        np.testing.assert_array_equal(grid_points(settings, layer), theirs)


def test_given_grids_replace_the_regular_one() -> None:
    settings = MaskGeneratorSettings(point_grids=(((0.5, 0.25),), ((0.1, 0.2), (0.3, 0.4))), crop_n_layers=1)
    assert grid_points(settings, 0).tolist() == [[0.5, 0.25]]
    assert grid_points(settings, 1).tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert grid_points(MaskGeneratorSettings(point_grids=((),)), 0).shape == (0, 2)


def test_a_grid_is_needed_for_every_layer() -> None:
    with pytest.raises(BadParameter, match="has 1 grids; 2 crop layers and the whole patch need 3"):
        MaskGeneratorSettings(point_grids=(((0.5, 0.5),),), crop_n_layers=2)


def test_edges_are_judged_as_in_the_package() -> None:
    rng = np.random.default_rng(0)
    height, width = 200, 300
    n_touching = 0
    for _ in range(500):
        (x0, x1), (y0, y1) = np.sort(rng.integers(0, width + 1, 2)), np.sort(rng.integers(0, height + 1, 2))
        left, right = np.sort(rng.integers(x0, x1 + 1, 2))
        top, bottom = np.sort(rng.integers(y0, y1 + 1, 2))
        box = torch.tensor([[left - x0, top - y0, right - x0, bottom - y0]])
        theirs = bool(is_box_near_crop_edge(box, [x0, y0, x1, y1], [0, 0, width, height])[0])
        crop = Crop(1, (int(x0), int(y0), int(x1), int(y1)))
        assert touches_inner_edge((int(left), int(top), int(right), int(bottom)), crop, (height, width)) == theirs
        n_touching += theirs
    assert 0 < n_touching < 500
