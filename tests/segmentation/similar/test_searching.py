"""Finding similar objects in a raster of several windows, with a network that sees brightness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely

from server.errors import BadParameter, Cancelled
from server.rasters.windows import PixelWindow
from server.segmentation.similar.searching import SimilarRequest, find_similar

SIDE = 8
STEP = 12


class Brightness:
    """Tells the mean of every 4 x 4 cell and its square."""

    input_size = 32
    n_channels = 2

    def __init__(self) -> None:
        self.n_seen = 0

    def encode(self, rgb: np.ndarray) -> np.ndarray:
        self.n_seen += 1
        rows, cols = (max(1, length // 4) for length in rgb.shape[:2])
        cells = rgb[: rows * 4, : cols * 4, 0].reshape(rows, 4, cols, 4).mean(axis=(1, 3)).astype(np.float32)
        return np.stack([cells, cells**2 / 255])


@pytest.fixture
def scene(make_raster: Callable[..., Path]) -> tuple[Path, Path, np.ndarray]:
    """Write squares of two shades, bright ones at even ids, as raster and labels; return both and the labels."""
    labels = np.zeros((100, 100), np.int32)
    bands = np.full((3, 100, 100), 60, np.uint8)
    rng = np.random.default_rng(0)
    for number in range(64):
        row, col = 4 + STEP * (number // 8), 4 + STEP * (number % 8)
        place = (slice(row, row + SIDE), slice(col, col + SIDE))
        labels[place] = number + 1
        bands[:, *place] = (200 if number % 2 else 110) + rng.integers(-9, 10, (SIDE, SIDE))
    return make_raster("scene.tif", bands), make_raster("labels.tif", labels[np.newaxis]), labels


def outline(labels: np.ndarray, number: int) -> shapely.MultiPolygon:
    rows, cols = np.nonzero(labels == number)
    return shapely.MultiPolygon([shapely.box(cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)])


def request_like(labels: np.ndarray, *numbers: int, **options: object) -> SimilarRequest:
    return SimilarRequest((1, 2, 3), "any", [outline(labels, number) for number in numbers], 64, **options)


def test_bright_examples_find_the_bright_squares_and_not_themselves(scene):
    source, labels_path, labels = scene
    result = find_similar(
        source, labels_path, request_like(labels, 2, 10, 12), lambda *_: Brightness(), lambda *_: None
    )
    bright = set(range(2, 65, 2)) - {2, 10, 12}
    assert set(result.ids[: len(bright)]) == bright
    assert len(bright) / 2 < result.n_alike <= len(bright)
    assert list(result.scores) == sorted(result.scores, reverse=True)
    assert len(result.ids) == 61


def test_a_window_limits_the_candidates_but_not_the_examples(scene):
    source, labels_path, labels = scene
    window = PixelWindow(0, 72, 100, 28)
    network = Brightness()
    found = find_similar(
        source, labels_path, request_like(labels, 2, 10, 12, window=window), lambda *_: network, lambda *_: None
    )
    assert set(found.ids) == set(np.unique(labels[72:])) - {0}
    assert {number % 2 for number in found.ids[: len(found.ids) // 2]} == {0}
    assert 0 < found.n_alike <= len(found.ids) / 2
    everything = Brightness()
    find_similar(source, labels_path, request_like(labels, 2), lambda *_: everything, lambda *_: None)
    assert network.n_seen < everything.n_seen


def test_the_limit_keeps_the_best(scene):
    source, labels_path, labels = scene
    result = find_similar(
        source, labels_path, request_like(labels, 1, 9, 11, limit=5), lambda *_: Brightness(), lambda *_: None
    )
    assert len(result.ids) == len(result.scores) == 5
    assert all(number % 2 for number in result.ids)
    assert result.n_alike > 5


def test_an_empty_window_gets_a_sentence(scene):
    source, labels_path, labels = scene
    with pytest.raises(BadParameter, match="no other objects") as caught:
        find_similar(
            source,
            labels_path,
            request_like(labels, 2, window=PixelWindow(0, 98, 100, 2)),
            lambda *_: Brightness(),
            lambda *_: None,
        )
    assert caught.value.field == "window"


def test_no_example_and_too_many_objects_are_refused():
    with pytest.raises(BadParameter, match="example"):
        SimilarRequest((1, 2, 3), "any", [], 64)
    with pytest.raises(BadParameter, match="10,000,000"):
        SimilarRequest((1, 2, 3), "any", [shapely.MultiPolygon([shapely.box(0, 0, 1, 1)])], 10_000_000)


def test_it_can_be_cancelled(scene):
    source, labels_path, labels = scene

    def report(fraction: float, step: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_similar(source, labels_path, request_like(labels, 2), lambda *_: Brightness(), report)
