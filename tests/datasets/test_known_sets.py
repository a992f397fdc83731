"""Named sets open their held-out part alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.datasets.errors import BadDataset
from server.datasets.known_sets import KNOWN_BOXED_SETS, KNOWN_SETS, open_dubai, open_fair, open_known_set


def test_held_out_parts_share_no_ground_with_the_rest(real_data: Path):
    for open_set in (open_dubai, open_fair):
        rest, apart = open_set(real_data, held_out=False), open_set(real_data)
        assert not set(rest.groups) & set(apart.groups)
        assert set(apart.groups) <= {"7", "3"}


@pytest.mark.parametrize(
    ("name", "n_images"), [("fair", 1), ("banepa", 48), ("doodler", 5), ("beach", 13), ("epfl", 50)]
)
def test_sets_hold_objects(name: str, n_images: int, real_data: Path):
    dataset = open_known_set(name, real_data)
    assert len(dataset) == n_images
    scene = dataset[0]
    assert scene.objects.max() >= 1
    assert set(range(1, len(dataset.class_names) + 1)) >= set(scene.classes[scene.classes > 0].tolist())


def test_unknown_sets_and_folders_get_a_sentence(tmp_path: Path):
    with pytest.raises(BadDataset, match='no set "mars"; known are dubai'):
        open_known_set("mars", tmp_path)
    for name in KNOWN_SETS:
        with pytest.raises(BadDataset, match="does not exist"):
            open_known_set(name, tmp_path)


@pytest.mark.parametrize(("name", "n_images"), [("cars", 14), ("solar", 22)])
def test_sets_of_boxes_open(name: str, n_images: int, real_data: Path):
    images = KNOWN_BOXED_SETS[name].open(real_data)
    assert len(images) == n_images
    assert sum(len(image.boxes_xyxy) for image in images) > n_images
