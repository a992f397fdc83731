"""A dataset of two images whose objects are known to the pixel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from server.datasets.report.objects import CountedImage, CountedObject
from server.rasters.windows import PixelWindow


class KnownDataset:
    """Implements `CountedDataset`."""

    def __init__(self, images: list[CountedImage], class_names: tuple[str, ...]) -> None:
        self._images = images
        self.class_names = class_names

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self):
        return iter(self._images)


def make_object(name: str, box: tuple[int, int, int, int], box_iou: float | None = None) -> CountedObject:
    """Return an object that fills its box (x, y, width, height)."""
    return CountedObject(name, np.ones((box[3], box[2]), bool), PixelWindow(*box), box_iou)


def read_grey(window: PixelWindow) -> np.ndarray:
    return np.full((window.height, window.width, 3), 90, np.uint8)


@pytest.fixture
def known() -> KnownDataset:
    first = [make_object("car", (0, 0, 32, 32), 0.8), make_object("bus", (64, 64, 16, 8), 0.6)]
    second = [make_object("car", (100, 20, 10, 10), 1.0)]
    images = [CountedImage("a", (128, 128), first, read_grey), CountedImage("b", (128, 64), second, None)]
    return KnownDataset([*images, CountedImage("c", (64, 64), [], None)], ("car", "bus", "ship"))


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Return a folder with an image and a mask of two objects in 16 bits."""
    for name in ("images", "masks"):
        (tmp_path / "town" / name).mkdir(parents=True)
    ids = np.zeros((60, 80), np.uint16)
    ids[10:30, 5:25], ids[40:50, 60:80] = 7, 900
    cv2.imwrite(str(tmp_path / "town" / "images" / "a.png"), np.full((60, 80, 3), 120, np.uint8))
    cv2.imwrite(str(tmp_path / "town" / "masks" / "a.png"), ids)
    return tmp_path / "town"
