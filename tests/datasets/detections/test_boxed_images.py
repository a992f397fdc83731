"""Images come with all their boxes, in the order of the labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from server.datasets.detections.boxed_images import read_boxed_images
from server.datasets.errors import BadDataset


@pytest.fixture
def save(tmp_path: Path):
    def write(text: str, name: str = "a") -> Path:
        folder = tmp_path / "boxed"
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"{name}.png"), np.full((50, 100, 3), 90, np.uint8))
        (folder / f"{name}.txt").write_text(text)
        return folder

    return write


def test_boxes_are_in_pixels_and_in_order(save):
    folder = save("0 0.5 0.5 0.2 0.4\n3 0.05 0.1 0.1 0.2\n\n")
    (image,) = read_boxed_images(folder, folder, "yolo")
    np.testing.assert_allclose(image.boxes_xyxy, [[40, 15, 60, 35], [0, 0, 10, 10]], atol=1e-9)
    assert image.name == "a"
    assert image.read_rgb().shape == (50, 100, 3)


def test_an_empty_file_has_no_boxes_and_a_missing_one_no_image(save):
    save("0 0.5 0.5 0.2 0.4", "a")
    save("", "b")
    folder = save("", "c")
    (folder / "c.txt").unlink()
    found = read_boxed_images(folder, folder, "yolo")
    assert [(item.name, item.boxes_xyxy.shape) for item in found] == [("a", (1, 4)), ("b", (0, 4))]


def test_no_pairs_get_a_sentence(save, tmp_path):
    folder = save("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadDataset, match=r'None of the images "a" has a \.txt file'):
        read_boxed_images(folder, tmp_path / "empty", "yolo")
    with pytest.raises(BadDataset, match="does not exist"):
        read_boxed_images(tmp_path / "absent", folder, "yolo")
