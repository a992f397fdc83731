"""Real data sets: the training and validation parts never share ground, and unlabelled pixels stay unknown."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from server.datasets.errors import BadDataset
from server.datasets.known_sets import open_cars, open_solar
from server.training.labelled_images import UNKNOWN
from server.training.real_imagery import forget_tiny_objects, read_boxed, read_buildings, read_dubai, read_unlabelled

WATER, BUILDING, UNLABELLED = (0xE2, 0xA9, 0x29), (0x3C, 0x10, 0x98), (0x9B, 0x9B, 0x9B)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with one tiny image per part of both sets."""
    for part in ("images", "masks"):
        (tmp_path / "dubai_mbrsc" / part).mkdir(parents=True)
    mask = np.zeros((40, 60, 3), np.uint8)
    mask[:, :20], mask[:, 20:30], mask[:, 30:] = WATER, UNLABELLED, BUILDING
    for name in ("image_part_001t1", "image_part_002t3", "image_part_001t7"):
        cv2.imwrite(str(tmp_path / "dubai_mbrsc" / "masks" / f"{name}.png"), mask[..., ::-1])
        cv2.imwrite(str(tmp_path / "dubai_mbrsc" / "images" / f"{name}.jpg"), np.full((40, 60, 3), 90, np.uint8))
    mosaics = tmp_path / "fair_hot_buildings" / "mosaics_z20"
    mosaics.mkdir(parents=True)
    for region in range(1, 5):
        rgb = np.full((32, 32, 3), 100, np.uint8)
        rgb[-region:] = 200  # as many bright rows as the region's number
        cv2.imwrite(str(mosaics / f"region{region}_1.tif"), rgb)
        cv2.imwrite(str(mosaics / f"region{region}_1_instances.tif"), np.tri(32, dtype=np.uint16))
    return tmp_path


def test_dubai_is_split_by_tile(data: Path) -> None:
    assert len(read_dubai(data, is_validation=False)) == 2
    assert len(read_dubai(data, is_validation=True)) == 1


def test_dubai_components_are_objects_and_grey_is_unknown(data: Path) -> None:
    image = read_dubai(data, is_validation=True)[0]
    assert image.rgb.shape == (40, 60, 3)
    assert (image.labels[:, 20:30] == UNKNOWN).all()
    assert len(np.unique(image.labels[:, :20])) == len(np.unique(image.labels[:, 30:])) == 1
    assert set(np.unique(image.labels)) == {UNKNOWN, 1, 2}


def test_buildings_are_split_by_region(data: Path) -> None:
    trained, held_out = (
        [int((image.rgb[:, 0, 0] == 255).sum()) for image in read_buildings(data, is_validation=is_validation)]
        for is_validation in (False, True)
    )
    assert (trained, held_out) == ([1, 2, 4], [3])


def test_tiny_areas_are_unknown() -> None:
    objects = np.ones((30, 30), np.int32)
    objects[5:8, 5:8] = 2
    objects[20:25, 20:29] = 3
    labels = forget_tiny_objects(objects)
    assert (labels[5:8, 5:8] == UNKNOWN).all()
    assert set(np.unique(labels)) == {UNKNOWN, 1, 3}


@pytest.mark.parametrize("read", [read_dubai, read_buildings])
def test_an_empty_folder_is_refused_with_a_sentence(read: object, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"dubai_mbrsc|fair_hot_buildings"):
        read(tmp_path, is_validation=False)  # type: ignore[operator]


def test_the_real_sets_are_read(real_data: Path) -> None:
    region = read_buildings(real_data, is_validation=True)
    assert len(region) == 1
    assert region[0].labels.max() == 33


def test_boxed_sets_keep_their_held_out_parts(real_data: Path) -> None:
    boxed = read_boxed(real_data)
    assert {name: len(items) for name, items in boxed.items()} == {
        "aerial_cars_boxes": 4,
        "solar_boxes_roboflow": 64,
        "deepforest": 2,
    }
    held_out = {item.image.path for open_set in (open_cars, open_solar) for item in open_set(real_data)}
    assert not held_out & {item.image.path for items in boxed.values() for item in items}
    assert len(held_out) == 14 + 22


def test_sets_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    assert read_boxed(tmp_path) == {}
    assert read_unlabelled(tmp_path) == []
