"""Small images of a known size, and a reader of label text over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from server.datasets.detections.names import ImageNames
from server.datasets.detections.opening import open_detections
from server.datasets.detections.records import Detection
from server.datasets.images import find_files, open_image
from server.datasets.options import ReadingOptions

WIDTH, HEIGHT = 100, 50


@pytest.fixture
def save_image(images: Path, save_picture) -> Callable[[str], Path]:
    """Save an image of 100 x 50 pixels under a name without ending."""
    return lambda name: save_picture(images / f"{name}.png", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


@pytest.fixture
def read_all(images: Path) -> Callable[..., dict[str, list[Detection]]]:
    """Return all detections by image."""

    def read(kind: str, boxes: Path, classes: list[str] | None = None) -> dict[str, list[Detection]]:
        files = find_files(images)
        reader = open_detections(kind, boxes, ImageNames(files), classes)
        options = ReadingOptions(max_side_px=2**31)
        opened = {name: next(open_image(files[name], name, images, options)) for name in reader.images}
        return {name: list(reader.read(image)) for name, image in opened.items()}

    return read


@pytest.fixture
def read_text(tmp_path: Path, save_image, read_all) -> Callable[..., list[Detection]]:
    """Return the detections of one image whose label file holds a text."""

    def read(kind: str, suffix: str, text: str, classes: list[str] | None = None) -> list[Detection]:
        save_image("a")
        path = tmp_path / f"a{suffix}"
        path.write_text(text, encoding="utf-8")
        found: list[Detection] = read_all(kind, path, classes)["a"]
        return found

    return read
