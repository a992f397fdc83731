"""Work that is interrupted at any window goes on there: same labels, and no window is looked at twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskRecord, Thresholds
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.whole_raster.fingerprint import fingerprint_work
from server.segmentation.whole_raster.finished_windows import FinishedWindows
from server.segmentation.whole_raster.kept_files import KeptFiles, count_kept
from server.segmentation.whole_raster.pieces import Piece, pack
from server.segmentation.whole_raster.segmenting import SegmentRequest, SegmentResult, segment_raster

REQUEST = SegmentRequest((1, 2, 3), MaskGeneratorSettings(), "fake", full_cover=True)
WINDOW = PixelWindow(3, 4, 64, 48)


class Killed(BaseException):
    """Ends the work as the end of the process would: nothing of the job's own catches it."""


class Mortal:
    """Asks another generator, and dies before its n-th answer."""

    def __init__(self, inner: Any, n_answers: int | None) -> None:
        self.inner = inner
        self.input_size = inner.input_size
        self.patches_at_once = 1
        self.n_left = n_answers
        self.n_answers = 0

    def prepare(self, _patches: Any) -> None: ...

    def generate(self, rgb: np.ndarray, tell: Callable[[float], None]) -> list[MaskRecord]:
        self._count()
        return self.inner.generate(rgb, tell)

    def generate_at(
        self, rgb: np.ndarray, points: np.ndarray, thresholds: Thresholds, tell: Callable[[float], None]
    ) -> list[MaskRecord]:
        self._count()
        return self.inner.generate_at(rgb, points, thresholds, tell)

    def _count(self) -> None:
        if self.n_left == 0:
            raise Killed
        if self.n_left is not None:
            self.n_left -= 1
        self.n_answers += 1


class Work:
    """One task, tried as often as it takes."""

    def __init__(self, source: Path, folder: Path, make: Callable[..., Any]) -> None:
        self.source, self.folder = source, folder
        self.make = make
        self.n_answers = 0

    def attempt(self, n_answers: int | None, request: SegmentRequest = REQUEST) -> SegmentResult:
        mortal: list[Mortal] = []

        def make_generator(*arguments: Any) -> Mortal:
            mortal.append(Mortal(self.make(*arguments), n_answers))
            return mortal[0]

        finished = FinishedWindows(self.open_kept(request))
        try:
            return segment_raster(self.source, self.folder, request, make_generator, lambda *_: None, finished)
        finally:
            self.n_answers = mortal[0].n_answers

    def open_kept(self, request: SegmentRequest) -> KeptFiles:
        fingerprint = fingerprint_work(self.source, asdict(request), self.source, "cpu")
        return KeptFiles(self.folder / "windows", fingerprint)

    def read_labels(self) -> np.ndarray:
        with rasterio.open(self.folder / "labels.tif") as raster:
            return raster.read(1)


@pytest.fixture
def make_work(make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path) -> Callable[[str], Work]:
    """Return a maker of works in a folder of a name, all on the same raster: objects of all sizes, and a gap."""
    rng = np.random.default_rng(3)
    bands = np.full((3, 100, 110), 30, np.uint8)
    for size, n_boxes in ((40, 2), (20, 3), (7, 8)):
        for row, col in zip(rng.integers(0, 100 - size, n_boxes), rng.integers(0, 110 - size, n_boxes), strict=True):
            bands[:, row : row + size, col : col + size] = rng.choice([90, 150, 220])
    bands[:, :30, 80:] = 0
    source = make_raster(bands=bands, nodata=0)

    def make(name: str) -> Work:
        folder = tmp_path / name
        folder.mkdir()
        return Work(source, folder, bright_spots(thresholds=(60, 120, 180)))

    return make


def test_labels_are_the_same_wherever_the_work_was_interrupted(make_work: Callable[[str], Work]) -> None:
    undisturbed = make_work("undisturbed")
    expected = undisturbed.attempt(None)
    n_answers = undisturbed.n_answers
    assert n_answers > expected.n_windows >= 4  # the second look and the passes of full cover asked, too
    assert expected.n_windows_reused == 0
    labels = undisturbed.read_labels()
    for killed_after in range(n_answers):
        work = make_work(f"killed-{killed_after}")
        with pytest.raises(Killed):
            work.attempt(killed_after)
        assert not (work.folder / "labels.tif").exists()
        result = work.attempt(None)
        assert work.n_answers == n_answers - killed_after
        assert result.n_windows_reused == min(killed_after, expected.n_windows)
        assert replace(result, seconds=0, n_windows_reused=0) == replace(expected, seconds=0)
        np.testing.assert_array_equal(work.read_labels(), labels)


def test_every_attempt_adds_one_window(make_work: Callable[[str], Work]) -> None:
    work = make_work("often")
    n_attempts = 0
    while True:
        n_attempts += 1
        try:
            work.attempt(1)
        except Killed:
            continue
        break
    undisturbed = make_work("undisturbed")
    undisturbed.attempt(None)
    assert n_attempts == undisturbed.n_answers
    np.testing.assert_array_equal(work.read_labels(), undisturbed.read_labels())


def test_another_request_or_raster_reuses_nothing(make_work: Callable[[str], Work]) -> None:
    work = make_work("changed")
    work.attempt(None)
    n_answers = work.n_answers
    assert work.attempt(None).n_windows_reused > 0
    assert work.n_answers == 0
    coarser = replace(REQUEST, settings=MaskGeneratorSettings(points_per_side=8))
    others = coarser, replace(REQUEST, band_indexes=(3, 2, 1))
    for request in others:
        assert work.attempt(None, request).n_windows_reused == 0
        assert work.n_answers == n_answers
    os.utime(work.source, ns=(1, 1))
    assert work.attempt(None, others[-1]).n_windows_reused == 0
    assert len(list((work.folder / "windows").iterdir())) == 1  # what nobody will ask for again is gone


def test_other_weights_are_other_work(make_work: Callable[[str], Work], tmp_path: Path) -> None:
    source = make_work("any").source
    weights = tmp_path / "weights"
    weights.write_bytes(b"one")
    first = fingerprint_work(source, asdict(REQUEST), weights, "cpu float32")
    assert first == fingerprint_work(source, asdict(REQUEST), weights, "cpu float32")
    assert first != fingerprint_work(source, asdict(REQUEST), weights, "cuda float32")
    weights.write_bytes(b"two!")
    assert first != fingerprint_work(source, asdict(REQUEST), weights, "cpu float32")


def make_piece() -> Piece:
    mask = np.random.default_rng(0).random((5, 7)) > 0.5
    box = PixelWindow(10, 11, 7, 5)
    return Piece(WINDOW, box, pack(mask), int(mask.sum()), 0.1 + 0.2, 1 / 3, (12.25, 1 / 7), 2**30)


def test_answers_come_back_bit_by_bit(tmp_path: Path) -> None:
    points, thresholds = np.array([[1.5, 2.5]]), Thresholds(0.5, 0.6)
    first = FinishedWindows(KeptFiles(tmp_path, "a"))
    assert first.find(WINDOW, lambda: [make_piece(), make_piece()]) == [make_piece()] * 2
    assert first.find(WINDOW._replace(col=9), lambda: None) is None
    assert first.click(WINDOW, points, thresholds, list) == []
    assert first.n_reused == 0

    def fail() -> None:
        raise AssertionError("the network was asked again")

    again = FinishedWindows(KeptFiles(tmp_path, "a"))
    assert again.has(WINDOW)
    assert again.find(WINDOW, fail) == [make_piece()] * 2
    assert again.find(WINDOW._replace(col=9), fail) is None
    assert again.click(WINDOW, points, thresholds, fail) == []
    assert again.click(WINDOW, points, Thresholds(0.4, 0.6), lambda: [make_piece()]) == [make_piece()]
    assert (again.n_reused, count_kept(tmp_path)) == (1, 4)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_answer_is_asked_for_again(tmp_path: Path, damage: str) -> None:
    FinishedWindows(KeptFiles(tmp_path, "a")).find(WINDOW, lambda: [make_piece()])
    (path,) = tmp_path.glob("a/*.kept")
    stored = path.read_bytes()
    path.write_bytes({"cut": stored[:-1], "flipped": stored[:-1] + b"\xff", "empty": b""}[damage])
    again = FinishedWindows(KeptFiles(tmp_path, "a"))
    assert again.find(WINDOW, lambda: [make_piece()]) == [make_piece()]
    assert again.n_reused == 0
    assert path.read_bytes() == stored
