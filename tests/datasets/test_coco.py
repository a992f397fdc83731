"""COCO files: polygons, run lengths in both forms, crowds, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as run_lengths

from server.datasets.errors import BadDataset
from server.datasets.options import ReadingOptions
from server.datasets.reading import read_dataset

# pycocotools 2.0.11 does not know numpy 2's `copy` keyword yet; the result is the same.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
SIZE = (30, 20)  # height, width
SQUARE = [[2, 3, 12, 3, 12, 9, 2, 9]]


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    flat = mask.ravel(order="F").astype(int)
    borders = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *borders, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def compressed(mask: np.ndarray) -> dict[str, Any]:
    packed = run_lengths.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": packed["counts"].decode()}


def lower_part() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[20:26, 4:9] = True
    return mask


@pytest.fixture
def save(tmp_path: Path, save_picture):
    """Save an image and a COCO file with these annotations of it."""

    def write(*annotations: dict[str, Any], **parts: Any) -> tuple[Path, Path]:
        save_picture(tmp_path / "images" / "a.png", np.full((*SIZE, 3), 80, np.uint8))
        content = {
            "images": [{"id": 7, "file_name": "somewhere/a.png", "height": SIZE[0], "width": SIZE[1]}],
            "categories": [{"id": 4, "name": "tree"}, {"id": 2, "name": "car"}],
            "annotations": [{"id": n, "image_id": 7, "category_id": 4, **item} for n, item in enumerate(annotations)],
        }
        path = tmp_path / "coco.json"
        path.write_text(json.dumps(content | parts))
        return tmp_path / "images", path

    return write


def test_polygons_are_drawn(save):
    dataset = read_dataset(
        *save({"segmentation": SQUARE}, {"segmentation": [[14, 0, 20, 0, 20, 30]], "category_id": 2})
    )
    scene = dataset[0]
    assert dataset.class_names == ("car", "tree")
    assert (scene.classes == 2).sum() == 60
    assert (scene.classes[3:9, 2:12] == 2).all()
    assert scene.classes[5, 19] == 1
    assert sorted(np.unique(scene.objects)) == [0, 1, 2]


@pytest.mark.parametrize("encode", [compressed, uncompressed])
def test_run_lengths_are_drawn(encode, save):
    scene = read_dataset(*save({"segmentation": encode(lower_part())}, {"segmentation": SQUARE}))[0]
    assert ((scene.objects == scene.objects[22, 5]) == lower_part()).all()
    assert (scene.objects == scene.objects[4, 4]).sum() == 60


def test_run_lengths_are_cut_with_their_image(save):
    paths = save({"segmentation": compressed(lower_part())})
    scenes = list(read_dataset(*paths, ReadingOptions(max_side_px=20)))
    assert [int((scene.objects > 0).sum()) for scene in scenes] == [0, 30]


def test_crowds_are_unknown(save):
    annotations = {"segmentation": uncompressed(lower_part()), "iscrowd": 1}, {"segmentation": SQUARE, "iscrowd": 1}
    scene = read_dataset(*save(*annotations))[0]
    assert (scene.objects[lower_part()] == -1).all()
    assert (scene.classes == -1).sum() == 60 + 30


def test_an_image_without_annotations_has_no_objects(save):
    assert not read_dataset(*save())[0].objects.any()


@pytest.mark.parametrize(
    ("annotation", "complaint"),
    [
        ({"segmentation": SQUARE, "category_id": 9}, r"category 9, but the file declares \[2, 4\]"),
        ({"segmentation": []}, "has no outline"),
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, r"size \[9, 9\], the image has \[30, 20\]"),
    ],
)
def test_wrong_annotations_get_a_sentence(annotation, complaint, save):
    paths = save(annotation)
    with pytest.raises(BadDataset, match=complaint):
        read_dataset(*paths)[0]


def test_wrong_files_get_a_sentence(save):
    images, path = save(images=[{"id": 7, "file_name": "b.png"}])
    with pytest.raises(BadDataset, match=r'None of the images .*"b".* is in .*"a"'):
        read_dataset(images, path)
    images, path = save(images=[{"id": 7, "file_name": "a.png", "width": 5, "height": 5}])
    with pytest.raises(BadDataset, match="20 x 30 pixels, but the COCO file says 5 x 5"):
        read_dataset(images, path)[0]
    for content, complaint in (("[1]", "not a COCO file"), ("{", "cannot be read as JSON")):
        path.write_text(content)
        with pytest.raises(BadDataset, match=complaint):
            read_dataset(images, path)
