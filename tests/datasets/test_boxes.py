"""YOLO's text files become boxes in pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.datasets.boxes import read_boxed_images
from server.datasets.errors import BadDataset


@pytest.fixture
def save(images: Path, save_picture):
    def write(text: str, name: str = "a") -> Path:
        save_picture(images / f"{name}.png", np.full((50, 100, 3), 90, np.uint8))
        (images / f"{name}.txt").write_text(text)
        return images

    return write


def test_shares_become_pixels(save):
    folder = save("0 0.5 0.5 0.2 0.4\n3 0.05 0.1 0.1 0.2\n\n")
    (image,) = read_boxed_images(folder, folder)
    assert image.boxes_xyxy.tolist() == [[40, 15, 60, 35], [0, 0, 10, 10]]
    assert image.classes.tolist() == [0, 3]
    assert image.read_rgb().shape == (50, 100, 3)


def test_an_empty_file_has_no_boxes_and_a_missing_one_no_image(save, images):
    save("", "a")
    (save("", "b") / "b.txt").unlink()
    assert [(item.name, len(item.boxes_xyxy)) for item in read_boxed_images(images, images)] == [("a", 0)]


@pytest.mark.parametrize("text", ["0 0.5 0.5 0.2", "0 0.5 0.5 0.2 0.4 0.9", "0 50 50 20 40", "car 0.5 0.5 0.2 0.4"])
def test_other_files_get_a_sentence(text, save, images):
    save(text)
    with pytest.raises(BadDataset, match=r"a\.txt is not a YOLO file"):
        read_boxed_images(images, images)


def test_no_pairs_get_a_sentence(save, images, tmp_path):
    save("")
    with pytest.raises(BadDataset, match='None of the images "a" has a text file'):
        read_boxed_images(images, tmp_path)
    with pytest.raises(BadDataset, match="does not exist"):
        read_boxed_images(tmp_path / "absent", images)
