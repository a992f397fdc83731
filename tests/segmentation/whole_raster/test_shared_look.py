"""Windows looked at by several processes in any order give the labels of one; what is not theirs they leave alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from server.rasters.windows import PixelWindow
from server.segmentation.engine import SegmentationEngine
from server.segmentation.model_store import ModelStore
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.whole_raster.finished_windows import FinishedWindows
from server.segmentation.whole_raster.kept_files import KeptFiles
from server.segmentation.whole_raster.segmenting import SegmentRequest
from server.segmentation.whole_raster.shared_look import SharedLook

REQUEST = SegmentRequest((1, 2, 3), MaskGeneratorSettings(), "embedded")


def no_check() -> None:
    """Let the work go on."""


@pytest.fixture
def engine(bright_spots: Any, monkeypatch: pytest.MonkeyPatch) -> SegmentationEngine:
    """Return an engine whose network finds bright spots."""
    make = bright_spots(thresholds=(60, 120, 180))
    monkeypatch.setattr(ModelStore, "make_generator", lambda _store, *arguments: make(*arguments))
    return SegmentationEngine(CHECKPOINT_FOLDER, "cpu")


@pytest.fixture
def source(make_raster: Callable[..., Path]) -> Path:
    rng = np.random.default_rng(5)
    bands = np.full((3, 100, 110), 30, np.uint8)
    for row, col in zip(rng.integers(0, 80, 8), rng.integers(0, 90, 8), strict=True):
        bands[:, row : row + 20, col : col + 20] = rng.choice([90, 150, 220])
    bands[:, :50, 60:] = 0
    return make_raster(bands=bands, nodata=0)


def segment(engine: SegmentationEngine, source: Path, folder: Path, kept: Path | None) -> tuple[Any, np.ndarray]:
    folder.mkdir()
    result = engine.segment(source, folder, REQUEST, lambda *_: None, kept)
    with rasterio.open(folder / "labels.tif") as labels:
        return result, labels.read(1)


def test_labels_are_those_of_one_process(engine: SegmentationEngine, source: Path, tmp_path: Path) -> None:
    kept = tmp_path / "windows"
    with engine.open_look(source, REQUEST, kept, no_check) as first:
        assert first is not None
        assert first.find_undone() == list(range(first.n_windows))
        first.look([first.n_windows - 1], no_check)
        with engine.open_look(source, REQUEST, kept, no_check, first.work) as second:
            assert second is not None
            assert second.find_undone() == list(range(first.n_windows - 1))
            second.look([2, 0], no_check)
        first.look(first.find_undone()[::-1], no_check)
        assert first.find_undone() == []
    result, labels = segment(engine, source, tmp_path / "shared", kept)
    expected, alone = segment(engine, source, tmp_path / "alone", None)
    np.testing.assert_array_equal(labels, alone)
    assert labels.max() == expected.n_objects == result.n_objects > 3
    assert result.n_windows_reused == expected.n_windows >= 4


def test_work_of_another_name_is_left_alone(engine: SegmentationEngine, source: Path, tmp_path: Path) -> None:
    kept = tmp_path / "windows"
    with engine.open_look(source, REQUEST, kept, no_check) as look:
        assert look is not None
        look.look([0], no_check)
    other = SegmentationEngine(CHECKPOINT_FOLDER, "cpu", precision="bfloat16")
    with other.open_look(source, REQUEST, kept, no_check, look.work) as joined:
        assert joined is None
    assert len(list(kept.glob("*/*.kept"))) == 1


def test_who_joins_finds_out_that_the_work_is_over(engine: SegmentationEngine, source: Path, tmp_path: Path) -> None:
    kept = tmp_path / "windows"
    with engine.open_look(source, REQUEST, kept, no_check) as first:
        assert first is not None
    shutil.rmtree(kept)
    with engine.open_look(source, REQUEST, kept, no_check, first.work) as joined:
        assert joined is not None
        with pytest.raises(FileNotFoundError):
            joined.find_undone()
        with pytest.raises(FileNotFoundError):
            joined.look([0], no_check)
    assert not kept.exists()


def test_a_check_stops_a_look(engine: SegmentationEngine, source: Path, tmp_path: Path) -> None:
    def refuse() -> None:
        raise InterruptedError

    with engine.open_look(source, REQUEST, tmp_path / "windows", no_check) as look:
        assert look is not None
        with pytest.raises(InterruptedError):
            look.look([0], refuse)
        assert 0 in look.find_undone()


class ManyAtOnce:
    """Stands for a viewer whose network likes to see windows together."""

    region = PixelWindow(0, 0, 128, 64)
    size_px = 64

    def __init__(self) -> None:
        self.generator = self
        self.patches_at_once = 3
        self.calls: list[tuple[str, int]] = []

    def prepare(self, windows: list[PixelWindow]) -> None:
        self.calls.append(("prepare", len(windows)))

    def find(self, window: PixelWindow, tell: Callable[[float], None]) -> list[Any]:
        tell(0.5)
        self.calls.append(("find", window.col))
        return []


def test_windows_are_prepared_together(tmp_path: Path) -> None:
    viewer = ManyAtOnce()
    look = SharedLook(viewer, FinishedWindows(KeptFiles(tmp_path, "work")), "work")
    assert look.n_at_once == 3
    look.look([2, 0], no_check)
    assert viewer.calls == [("prepare", 2), ("find", 64), ("find", 0)]
