"""Synthetic scenes: the same seed gives the same scene, and every id is one connected thing."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from server.training.sample_scene import generate_sample_scene
from server.training.scenes import MIN_PIECE_AREA_PX, Scene, SceneStyle, generate_scene, split_into_connected


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [generate_scene(160, seed) for seed in range(6)]


def test_equal_seeds_give_equal_scenes(scenes: list[Scene]) -> None:
    again = generate_scene(160, 3)
    np.testing.assert_array_equal(again.bands, scenes[3].bands)
    np.testing.assert_array_equal(again.labels, scenes[3].labels)
    assert not np.array_equal(scenes[3].rgb, scenes[4].rgb)


def test_shapes_and_types(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.rgb.shape == (160, 160, 3)
        assert scene.rgb.dtype == np.uint8
        assert scene.bands.shape == (160, 160, 4)
        assert scene.labels.dtype == np.int32
        assert scene.rgb.std() > 5


def test_every_id_is_one_connected_thing(scenes: list[Scene]) -> None:
    for scene in scenes:
        for label in range(1, int(scene.labels.max()) + 1):
            mask = (scene.labels == label).astype(np.uint8)
            assert mask.sum() >= MIN_PIECE_AREA_PX
            assert cv2.connectedComponents(mask, connectivity=4)[0] == 2


def test_nearly_all_ground_belongs_to_something(scenes: list[Scene]) -> None:
    assert np.mean([(scene.labels > 0).mean() for scene in scenes]) > 0.97


def test_plants_are_bright_in_near_infrared_and_water_is_dark() -> None:
    dry = SceneStyle(False, 1.0, 6, 0.2, has_water=False, has_wood=True, has_roads=False, has_equal_roofs=False)
    wet = SceneStyle(False, 1.0, 6, 0.2, has_water=True, has_wood=True, has_roads=False, has_equal_roofs=False)
    darkest = [np.percentile(generate_scene(256, 1, style).bands[..., 3], 2) for style in (dry, wet)]
    assert darkest[1] < darkest[0]


def test_split_gives_pieces_their_own_ids() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[:, :10] = 5
    labels[:, 20:] = 5
    labels[0, 15] = 5
    split = split_into_connected(labels)
    assert set(np.unique(split)) == {0, 1, 2}
    assert split[0, 15] == 0
    assert split[0, 0] != split[0, 29]


def test_sample_scene_is_what_the_service_needs() -> None:
    scene = generate_sample_scene()
    assert scene.bands.shape == (4, 1024, 1024)
    assert scene.bands.dtype == np.uint16
    assert scene.bands.max() < 2048
    nodata = scene.bands == 0
    assert (nodata.all(axis=0) == nodata.any(axis=0)).all()
    assert nodata[0, -1, -1]
    assert 0.02 < nodata.mean() < 0.1
    assert scene.epsg == 32650
    a, b, _, d, e, _ = scene.transform
    assert (a, b, d, e) == (0.5, 0.0, 0.0, -0.5)


def test_scenes_need_no_torch() -> None:
    code = "import sys, server.training.sample_scene, server.commands.train_embedded; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
