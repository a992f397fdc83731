"""Class mode goes on where it was interrupted: same labels, no window twice, and little on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from server.segmentation.class_mode.segmenting import ClassRequest, segment_class
from server.segmentation.whole_raster.kept_files import KeptFiles
from server.segmentation.whole_raster.segmenting import SegmentResult

REQUEST = ClassRequest((1, 2, 3), "roads", "road")
SIZE = 32


class Killed(BaseException):
    """Ends the work as the end of the process would."""


class MortalNetwork:
    """Finds bright pixels, shifted a little by where the patch ends, and dies before its n-th answer."""

    input_size = SIZE

    def __init__(self, n_answers: int | None) -> None:
        self.n_left = n_answers
        self.n_answers = 0

    def find_class(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self.n_left == self.n_answers:
            raise Killed
        self.n_answers += 1
        # What windows say of shared ground differs, so that a forgotten one would change the labels.
        return rgb[..., 0].astype(np.float32) - np.linspace(60, 140, rgb.shape[0], dtype=np.float32)[:, None]


@pytest.fixture
def source(make_raster: Callable[..., Path]) -> Path:
    bands = np.random.default_rng(5).integers(30, 190, (3, 90, 70)).astype(np.uint8)
    bands[:, :40, 30:] = 0
    return make_raster("roads.tif", bands, nodata=0)


def attempt(source: Path, folder: Path, network: MortalNetwork) -> SegmentResult:
    folder.mkdir(exist_ok=True)
    kept = KeptFiles(folder / "windows", "same")
    return segment_class(source, folder, REQUEST, lambda *_: network, lambda *_: None, kept)


def read_labels(folder: Path) -> NDArray[np.int32]:
    with rasterio.open(folder / "labels.tif") as raster:
        return raster.read(1)


def test_labels_are_the_same_wherever_the_work_was_interrupted(source: Path, tmp_path: Path) -> None:
    plain = segment_class(source, tmp_path, REQUEST, lambda *_: MortalNetwork(None), lambda *_: None)
    labels = read_labels(tmp_path)
    assert plain.n_windows > 6
    assert plain.n_empty_windows > 0
    for killed_after in range(0, plain.n_windows, 2):
        folder = tmp_path / str(killed_after)
        with pytest.raises(Killed):
            attempt(source, folder, MortalNetwork(killed_after))
        network = MortalNetwork(None)
        result = attempt(source, folder, network)
        assert network.n_answers == plain.n_windows - killed_after
        assert result.n_windows_reused == killed_after
        assert replace(result, seconds=0, n_windows_reused=0) == replace(plain, seconds=0)
        np.testing.assert_array_equal(read_labels(folder), labels)


def test_many_interruptions_and_lost_files_change_nothing(source: Path, tmp_path: Path) -> None:
    plain = segment_class(source, tmp_path, REQUEST, lambda *_: MortalNetwork(None), lambda *_: None)
    labels, folder, n_answers = read_labels(tmp_path), tmp_path / "job", 0
    for _ in range(plain.n_windows):
        network = MortalNetwork(1)
        try:
            attempt(source, folder, network)
        except Killed:
            n_answers += network.n_answers
    assert n_answers >= plain.n_windows - 1
    (folder / "windows" / "same").joinpath("strip-0.kept").write_bytes(b"damaged")
    result = attempt(source, folder, MortalNetwork(None))
    np.testing.assert_array_equal(read_labels(folder), labels)
    assert result.n_windows == plain.n_windows


def test_logits_of_decided_ground_are_dropped(source: Path, tmp_path: Path) -> None:
    attempt(source, tmp_path / "job", MortalNetwork(None))
    windows = list((tmp_path / "job" / "windows").rglob("window-*"))
    assert len(windows) > 6
    assert sum(path.stat().st_size for path in windows) < 20 * len(windows)
