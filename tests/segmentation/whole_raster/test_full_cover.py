"""Full cover: clicks where ground is uncovered, thresholds that give way slowly, and leftovers that find an owner."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pyogrio
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.errors import Cancelled
from server.rasters.labels import LabelCanvas
from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskRecord, Thresholds, crop_mask
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.whole_raster.full_cover import Coverage, choose_clicks, is_finished, plan_thresholds
from server.segmentation.whole_raster.leftovers import Leftovers
from server.segmentation.whole_raster.painting import LabelPainting
from server.segmentation.whole_raster.segmenting import SegmentRequest, segment_raster

Tell = Callable[[float], None]


class GreyAreas:
    """Finds bright areas by itself, and areas of any one grey where it is clicked; rates those with 0.5 only."""

    input_size = 64
    patches_at_once = 1

    def __init__(self, answers_clicks: bool = True) -> None:
        self._answers_clicks = answers_clicks
        self.asked: list[Thresholds] = []

    def generate(self, rgb: np.ndarray, tell: Tell) -> list[MaskRecord]:
        return _areas((rgb[..., 0] > 200).astype(np.uint8), None, 0.9)

    def generate_at(
        self, rgb: np.ndarray, points_xy: np.ndarray, thresholds: Thresholds, tell: Tell
    ) -> list[MaskRecord]:
        tell(0.0)
        self.asked.append(thresholds)
        found: list[MaskRecord] = []
        for x, y in points_xy.astype(int).tolist() if self._answers_clicks else []:
            grey = rgb[y, x, 0]
            rating = 0.9 if grey > 200 else 0.5
            if rating > thresholds.pred_iou_thresh:
                found += _areas((rgb[..., 0] == grey).astype(np.uint8), (x, y), rating)
        return found


def _areas(where: np.ndarray, place: tuple[int, int] | None, rating: float) -> list[MaskRecord]:
    n_areas, areas = cv2.connectedComponents(where, connectivity=4)
    wanted = range(1, n_areas) if place is None else [int(areas[place[1], place[0]])]
    records = []
    for number in wanted:
        mask, box = crop_mask(areas == number)  # type: ignore[misc]
        records.append(MaskRecord(mask, box, rating, 0.95, (box[0] + 0.5, box[1] + 0.5)))
    return records


def quilt(height: int, width: int) -> np.ndarray:
    """Return uint8 (3, height, width): patches of different greys with dark seams between, a few of them bright."""
    rows, cols = np.mgrid[:height, :width]
    grey = 60 + (rows // 40 * 37 + cols // 50 * 53) % 120
    grey[(rows // 40 + cols // 50) % 4 == 0] = 250
    grey[(rows % 40 < 2) | (cols % 50 < 2)] = 5
    return np.broadcast_to(grey.astype(np.uint8), (3, height, width)).copy()


def segment(source: Path, folder: Path, generator: GreyAreas, *, full_cover: bool) -> np.ndarray:
    folder.mkdir(exist_ok=True)
    request = SegmentRequest((1, 2, 3), MaskGeneratorSettings(), "fake", full_cover=full_cover)
    segment_raster(source, folder, request, lambda *_: generator, lambda _share, _step: None)
    with rasterio.open(folder / "labels.tif") as raster:
        return raster.read(1)


def sources(folder: Path) -> dict[int, str]:
    meta, _, _, columns = pyogrio.raw.read(folder / "objects.gpkg")
    table = dict(zip(meta["fields"], columns, strict=True))
    return dict(zip(table["id"].tolist(), table["source"].tolist(), strict=True))


@pytest.fixture
def source(make_raster: Callable[..., Path]) -> Path:
    bands = quilt(110, 160)
    bands[:, 60:80, 105:130] = 0
    return make_raster(bands=bands, nodata=0)


def test_nearly_all_ground_gets_an_object_and_the_first_ones_stay(source: Path, tmp_path: Path) -> None:
    generator = GreyAreas()
    first = segment(source, tmp_path / "first", generator, full_cover=False)
    full = segment(source, tmp_path / "full", generator, full_cover=True)
    valid = quilt(110, 160)[0] > 0
    valid[60:80, 105:130] = False
    assert (first[valid] > 0).mean() < 0.5
    assert (full[valid] > 0).mean() >= 0.95
    assert not full[~valid].any()
    assert (full[first > 0] == first[first > 0]).all()
    assert set(np.unique(full)) - {0} == set(range(1, full.max() + 1))
    kinds = sources(tmp_path / "full")
    assert sorted(kinds) == list(range(1, full.max() + 1))
    assert sum("full cover" in kind for kind in kinds.values()) > 5
    # Patches of one grey stay whole: none of them is shared by two larger objects.
    assert np.unique(full[44:78, 54:98]).size == 1


def test_thresholds_give_way_only_when_nothing_more_is_found(source: Path, tmp_path: Path) -> None:
    generator = GreyAreas()
    segment(source, tmp_path / "full", generator, full_cover=True)
    asked = [item.pred_iou_thresh for item in generator.asked]
    assert asked == sorted(asked, reverse=True)
    assert asked[0] == MaskGeneratorSettings().pred_iou_thresh
    assert min(asked) < 0.5


def test_ground_for_which_the_network_has_nothing_is_marked_as_such(source: Path, tmp_path: Path) -> None:
    full = segment(source, tmp_path / "full", GreyAreas(answers_clicks=False), full_cover=True)
    kinds = sources(tmp_path / "full")
    assert (full > 0).mean() > 0.9
    assert "remainder" in kinds.values()
    assert not any("full cover" in kind for kind in kinds.values())


def test_the_same_twice(source: Path, tmp_path: Path) -> None:
    runs = [segment(source, tmp_path / name, GreyAreas(), full_cover=True) for name in ("a", "b")]
    assert (runs[0] == runs[1]).all()


def test_a_pass_can_be_cancelled(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[float, str]] = []

    def report(share: float, step: str) -> None:
        told.append((share, step))
        if step == "closing gaps":
            raise Cancelled

    request = SegmentRequest((1, 2, 3), MaskGeneratorSettings(), "fake", full_cover=True)
    monkeypatch.setattr("server.segmentation.progress.CHECK_INTERVAL_S", 0.0)
    with pytest.raises(Cancelled):
        segment_raster(source, tmp_path, request, lambda *_: GreyAreas(), report)
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert max(b - a for a, b in pairwise(shares)) < 0.3
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("segment-")]


def test_clicks_are_deep_inside_and_apart() -> None:
    free = np.zeros((100, 120), dtype=bool)
    free[10:30, 10:110] = True
    free[60:90, 60:64] = True  # too narrow
    points = choose_clicks(free, 4.0)
    assert 3 <= len(points) <= 12
    assert all(free[int(y), int(x)] for x, y in points)
    assert points[:, 1].max() < 30
    assert choose_clicks(np.zeros((5, 5), dtype=bool), 4.0).shape == (0, 2)


def test_when_passes_end() -> None:
    start = Thresholds(0.8, 0.9)
    assert plan_thresholds(start, [0.3, 0.2]) == start
    assert plan_thresholds(start, [0.3, 0.01]).pred_iou_thresh < 0.8
    assert plan_thresholds(Thresholds(0.1, 0.1), [0.0] * 5) == Thresholds(0.1, 0.1)
    assert is_finished(Coverage(96, 100), [], start)
    assert is_finished(Coverage(0, 0), [], start)
    assert not is_finished(Coverage(50, 100), [0.01], start)
    assert is_finished(Coverage(50, 100), [0.0], plan_thresholds(start, [0.0] * 9))


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), block_px=st.sampled_from([16, 48, 1024]))
def test_leftovers_do_not_depend_on_blocks(
    seed: int, block_px: int, make_raster: Callable[..., Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 4, (6, 8)).astype(np.int32)
    labels = coarse.repeat(20, axis=0).repeat(20, axis=1)
    labels[rng.random(labels.shape) < 0.05] = 0
    valid = np.ones(labels.shape, dtype=bool)
    valid[30:50, 30:90] = False
    labels[~valid] = 0
    source = make_raster(size=(labels.shape[1], labels.shape[0]))
    region = PixelWindow(0, 0, labels.shape[1], labels.shape[0])

    def read_valid(window: PixelWindow) -> np.ndarray:
        return valid[window.row : window.row + window.height, window.col : window.col + window.width]

    with pytest.MonkeyPatch.context() as patch, LabelCanvas(source, tmp_path) as canvas:
        patch.setattr("server.segmentation.whole_raster.painting.BLOCK_PX", block_px)
        canvas.write(region, labels)
        leftovers = Leftovers(LabelPainting(canvas, region, read_valid), 1.0)
        leftovers.fill_gaps(lambda _: None)
        n_earlier = int(labels.max())
        counts = leftovers.number_rest(n_earlier, lambda _: None)
        done = canvas.read(region)
    assert (done[labels > 0] == labels[labels > 0]).all()
    assert (done[valid] > 0).all()
    assert not done[~valid].any()
    assert np.bincount(done[done > n_earlier] - n_earlier - 1, minlength=len(counts)).tolist() == counts.tolist()
    for number in range(n_earlier + 1, int(done.max()) + 1):
        assert cv2.connectedComponents((done == number).astype(np.uint8), connectivity=4)[0] == 2
