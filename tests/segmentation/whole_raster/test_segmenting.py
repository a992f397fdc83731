"""A whole raster through windows: ids, borders, nodata, georeferencing, cancelling."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin

from server.errors import BadParameter, Cancelled
from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskRecord
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.whole_raster.segmenting import SegmentRequest, segment_raster
from tests.segmentation.conftest import BrightSpots

DARK, BRIGHT = 20, 220


def ask(window: PixelWindow | None = None, **choices: Any) -> SegmentRequest:
    return SegmentRequest((1, 2, 3), MaskGeneratorSettings(), "fake", window, **choices)


def ignore(_fraction: float, _step: str) -> None: ...


def draw(width: int, height: int, boxes: list[tuple[int, int, int, int]]) -> np.ndarray:
    """Return uint8 (3, height, width) with bright rectangles (col, row, width, height) on dark ground."""
    bands = np.full((3, height, width), DARK, dtype=np.uint8)
    for col, row, box_width, box_height in boxes:
        bands[:, row : row + box_height, col : col + box_width] = BRIGHT
    return bands


def grid(columns: int, rows: int, step: int, size: int) -> list[tuple[int, int, int, int]]:
    return [(col * step + 3, row * step + 3, size, size) for row in range(rows) for col in range(columns)]


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as raster:
        return raster.read(1)


def features(path: Path) -> dict[str, Any]:
    meta, _, _, columns = pyogrio.raw.read(path)
    return dict(zip(meta["fields"], columns, strict=True))


def test_300_objects_get_300_ids(make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path) -> None:
    source = make_raster(bands=draw(230, 180, grid(20, 15, 11, 5)))
    result = segment_raster(source, tmp_path, ask(), bright_spots(), ignore)
    labels = read(tmp_path / "labels.tif")
    assert result.n_objects == 300
    assert labels.dtype == np.int32
    ids, counts = np.unique(labels, return_counts=True)
    assert ids.tolist() == list(range(301))
    assert set(counts[1:]) == {25}
    assert sorted(features(tmp_path / "objects.gpkg")["id"]) == list(range(1, 301))


def test_an_object_across_many_windows_is_one(
    make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    source = make_raster(bands=draw(300, 200, [(5, 90, 290, 12), (100, 10, 14, 50)]))
    result = segment_raster(source, tmp_path, ask(), bright_spots(), ignore)
    assert result.n_objects == 2
    found = features(tmp_path / "objects.gpkg")
    assert sorted(found["area_px"]) == [14 * 50, 290 * 12]
    assert sorted(found["bbox"]) == ["[100, 10, 14, 50]", "[5, 90, 290, 12]"]


def test_small_over_large_in_file_and_vectors(
    make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    bands = draw(60, 60, [(20, 20, 20, 20)])
    bands[:, 5:55, 5:55] = np.where(bands[:, 5:55, 5:55] == BRIGHT, BRIGHT, 120)
    source = make_raster(bands=bands)
    segment_raster(source, tmp_path, ask(), bright_spots(thresholds=(60, 180)), ignore)
    assert np.bincount(read(tmp_path / "labels.tif").ravel()).tolist() == [3600 - 2500, 2500 - 400, 400]
    assert sorted(features(tmp_path / "objects.gpkg")["area_px"]) == [400, 2100]


def test_zero_objects_make_valid_empty_files(
    make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    source = make_raster(bands=draw(70, 50, []))
    result = segment_raster(source, tmp_path, ask(), bright_spots(thresholds=(300,)), ignore)
    assert result.n_objects == 0
    assert not read(tmp_path / "labels.tif").any()
    info = pyogrio.read_info(tmp_path / "objects.gpkg")
    assert (info["features"], info["crs"]) == (0, "EPSG:32650")


def test_nodata_is_never_labelled(make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path) -> None:
    bands = draw(200, 120, [(20, 20, 160, 80)])
    bands[:, :, 90:110] = 0
    bands[:, 50:, :] = 0
    source = make_raster(bands=bands, nodata=0)
    result = segment_raster(source, tmp_path, ask(), bright_spots(), ignore)
    labels = read(tmp_path / "labels.tif")
    assert result.n_objects == 2
    assert not labels[bands[0] == 0].any()
    assert result.n_empty_windows > 0


@pytest.mark.parametrize("size", [(64, 64), (1, 1), (1, 5000), (300, 1), (65, 63), (333, 777)])
def test_any_size_works(
    size: tuple[int, int], make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    width, height = size
    source = make_raster(bands=draw(width, height, []))
    input_size = 512 if max(size) > 512 else 64
    segment_raster(source, tmp_path, ask(full_cover=True), bright_spots(input_size=input_size), ignore)
    labels = read(tmp_path / "labels.tif")
    assert labels.shape == (height, width)
    assert (labels == 1).all()


def test_only_the_window_is_labelled(make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path) -> None:
    source = make_raster(bands=draw(200, 200, [(10, 10, 180, 180)]))
    segment_raster(source, tmp_path, ask(PixelWindow(50, 60, 90, 80)), bright_spots(), ignore)
    labels = read(tmp_path / "labels.tif")
    assert labels.shape == (200, 200)
    assert (labels[60:140, 50:140] == 1).all()
    assert labels.sum() == 90 * 80


@pytest.mark.parametrize("window", [(-1, 0, 10, 10), (0, 0, 65, 10), (60, 0, 10, 10), (0, 0, 0, 10)])
def test_a_window_outside_is_refused(
    window: tuple[int, int, int, int], make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    with pytest.raises(BadParameter) as error:
        segment_raster(make_raster(), tmp_path, ask(PixelWindow(*window)), bright_spots(), ignore)
    assert error.value.field == "window"


@pytest.mark.parametrize("resolution_m", [0.25, 1.0, 2.0])
def test_objects_are_found_at_another_ground_resolution(
    resolution_m: float, make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    boxes = grid(5, 4, 40, 20)
    source = make_raster(bands=draw(210, 170, boxes))  # pixels of half a metre
    result = segment_raster(source, tmp_path, ask(resolution_m=resolution_m), bright_spots(), ignore)
    labels = read(tmp_path / "labels.tif")
    assert result.n_objects == len(boxes)
    assert ((labels > 0) == (draw(210, 170, boxes)[0] == BRIGHT)).mean() > 0.93


def test_a_coarser_look_needs_fewer_windows(
    make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    source = make_raster(bands=draw(210, 170, []))
    windows = [
        segment_raster(source, tmp_path, ask(resolution_m=metres), bright_spots(), ignore).n_windows
        for metres in (0.25, 0.5, 2.0)
    ]
    assert windows == sorted(windows, reverse=True)
    assert windows[-1] == 1


def test_nearly_the_rasters_own_resolution_resamples_nothing(
    make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    source = make_raster(bands=draw(210, 170, grid(5, 4, 40, 20)))
    labels = []
    for metres in (None, 0.503):
        segment_raster(source, tmp_path, ask(resolution_m=metres), bright_spots(), ignore)
        labels.append(read(tmp_path / "labels.tif"))
    np.testing.assert_array_equal(*labels)


@pytest.mark.parametrize("resolution_m", [0.0, -1.0, float("nan"), 1e9])
def test_an_impossible_resolution_is_refused(
    resolution_m: float, make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    with pytest.raises(BadParameter) as error:
        segment_raster(make_raster(), tmp_path, ask(resolution_m=resolution_m), bright_spots(), ignore)
    assert error.value.field == "resolution_m"


@pytest.mark.parametrize("full_cover", [False, True])
def test_only_the_area_of_interest_is_labelled(
    full_cover: bool, make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    source = make_raster(bands=draw(200, 200, [(10, 10, 180, 180)]), crs=None)
    ring = [[50, 60], [140, 60], [140, 140], [50, 140], [50, 60]]
    area = {"type": "Polygon", "coordinates": [ring]}
    segment_raster(source, tmp_path, ask(area=area, full_cover=full_cover), bright_spots(), ignore)
    labels = read(tmp_path / "labels.tif")
    assert (labels[60:140, 50:140] == 1).all()
    assert labels.sum() == 90 * 80


def test_georeferencing_is_kept(make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path) -> None:
    transform = from_origin(500_000, 4_400_000, 2.0, 2.0) @ rasterio.Affine.rotation(20)
    source = make_raster(bands=draw(80, 70, [(10, 10, 20, 20)]), transform=transform, crs="EPSG:32650")
    segment_raster(source, tmp_path, ask(), bright_spots(), ignore)
    with rasterio.open(tmp_path / "labels.tif") as labels:
        assert labels.transform.almost_equals(transform)
        assert labels.crs.to_epsg() == 32650
        assert (labels.width, labels.height, labels.count, labels.dtypes) == (80, 70, 1, ("int32",))


def test_ground_control_points_are_kept(make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path) -> None:
    corners = [(0, 0, 10.0, 50.0), (0, 80, 10.01, 50.001), (70, 0, 9.999, 49.99), (70, 80, 10.009, 49.991)]
    gcps = [GroundControlPoint(row, col, x, y, 0.0) for row, col, x, y in corners]
    source = make_raster(bands=draw(80, 70, [(10, 10, 20, 20)]), crs="EPSG:4326", gcps=gcps, transform=None)
    with rasterio.open(source, "r+") as raster:
        raster.gcps = (gcps, rasterio.CRS.from_epsg(4326))
    segment_raster(source, tmp_path, ask(), bright_spots(), ignore)
    with rasterio.open(tmp_path / "labels.tif") as labels:
        kept, crs = labels.gcps
    assert [(point.row, point.col, point.x, point.y) for point in kept] == corners
    assert crs.to_epsg() == 4326


def test_windows_are_encoded_together_where_that_helps(
    make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    bands = draw(330, 64, [(10, 10, 20, 20), (150, 20, 100, 8)])
    bands[:, :, 70:120] = 0
    prepared: list[list[np.ndarray]] = []
    seen: list[np.ndarray] = []

    def make(*arguments: Any) -> Any:
        generator = bright_spots()(*arguments)
        find = generator.generate

        def generate(rgb: np.ndarray, tell: Callable[[float], None]) -> Any:
            seen.append(rgb)
            return find(rgb, tell)

        generator.generate, generator.prepare, generator.patches_at_once = generate, prepared.append, 3
        return generator

    source = make_raster(bands=bands, nodata=0)
    together = segment_raster(source, tmp_path, ask(), make, ignore)
    labels = read(tmp_path / "labels.tif")
    assert [len(patches) for patches in prepared[:-1]] == [3] * (len(prepared) - 1)
    assert len(seen) > 3
    for one, other in zip([patch for patches in prepared for patch in patches], seen, strict=True):
        np.testing.assert_array_equal(one, other)
    alone = segment_raster(source, tmp_path, ask(), bright_spots(), ignore)
    np.testing.assert_array_equal(read(tmp_path / "labels.tif"), labels)
    assert (alone.n_objects, alone.n_windows) == (together.n_objects, together.n_windows)


def test_progress_rises_from_0_to_1(make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    source = make_raster(bands=draw(200, 120, [(20, 20, 160, 80)]))
    segment_raster(source, tmp_path, ask(), bright_spots(), lambda share, step: told.append((share, step)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert "window 2 of 12" in [step for _, step in told]


@pytest.mark.parametrize("stop_at", ["window 3 of 12", "writing labels", "drawing outlines"])
def test_cancelling_leaves_nothing(
    stop_at: str, make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.segmentation.progress.CHECK_INTERVAL_S", 0.0)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "labels.tif").write_text("older result")

    def report(_share: float, step: str) -> None:
        if step == stop_at:
            raise Cancelled

    source = make_raster(bands=draw(200, 120, [(20, 20, 160, 80)]))
    with pytest.raises(Cancelled):
        segment_raster(source, folder, ask(), bright_spots(), report)
    assert [path.name for path in folder.iterdir()] == ["labels.tif"]
    assert (folder / "labels.tif").read_text() == "older result"


def test_memory_does_not_follow_the_raster(make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path) -> None:
    size = 4000
    source = make_raster(bands=draw(size, size, grid(10, 10, 390, 40)), tiled=True, compress="deflate")
    tracemalloc.start()
    try:
        result = segment_raster(source, tmp_path, ask(), bright_spots(input_size=1024), ignore)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.n_objects == 100
    # The labels alone would take 64 MB as one array.
    assert peak_bytes < 60e6


def scatter(seed: int) -> list[tuple[int, int, int, int]]:
    """Return rectangles that do not touch each other, in a raster of 200 x 150."""
    rng = np.random.default_rng(seed)
    boxes = []
    row = int(rng.integers(0, 10))
    while row < 140:
        height = int(rng.integers(2, 60))
        col = int(rng.integers(0, 60))
        while col < 195:
            width = int(rng.integers(2, 150))
            boxes.append((col, row, min(width, 200 - col), min(height, 150 - row)))
            col += width + int(rng.integers(2, 80))
        row += height + int(rng.integers(2, 60))
    return boxes


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_merging_undoes_splitting(
    seed: int, make_raster: Callable[..., Path], bright_spots: Any, tmp_path: Path
) -> None:
    boxes = scatter(seed)
    source = make_raster(bands=draw(200, 150, boxes))
    segment_raster(source, tmp_path, ask(), bright_spots(input_size=64), ignore)
    split = read(tmp_path / "labels.tif")
    segment_raster(source, tmp_path, ask(), bright_spots(input_size=256), ignore)
    assert (split == read(tmp_path / "labels.tif")).all()
    assert split.max() == len(boxes)


class Rated(BrightSpots):
    """Rates what is as bright as a roof, and the rest, as it is told."""

    ratings: tuple[float, float] = (0.9, 0.9)

    def generate(self, rgb: np.ndarray, tell: Callable[[float], None]) -> list[MaskRecord]:
        found = super().generate(rgb, tell)
        return [replace(item, predicted_iou=self.ratings[self._is_roof(rgb, item)]) for item in found]

    def _is_roof(self, rgb: np.ndarray, record: MaskRecord) -> bool:
        col, row, width, height = record.bbox_xywh
        return bool((rgb[row : row + height, col : col + width, 0][record.mask] > 200).all())


def segment_block_with_roof(
    make_raster: Callable[..., Path], folder: Path, roof: PixelWindow, ratings: tuple[float, float]
) -> None:
    """Segment a block of 110 x 60 pixels at column and row 20 with a brighter roof on it, rated as given."""
    bands = np.full((3, 100, 150), DARK, dtype=np.uint8)
    bands[:, 20:80, 20:130] = 150
    bands[:, roof.row : roof.row + roof.height, roof.col : roof.col + roof.width] = BRIGHT

    def make_generator(_name: str, _settings: MaskGeneratorSettings, check: Callable[[], None]) -> Rated:
        generator = Rated(check, 256, (100, 200))
        generator.ratings = ratings
        return generator

    segment_raster(make_raster(bands=bands), folder, ask(), make_generator, ignore)


@pytest.mark.parametrize(
    ("block", "roof", "seen"),
    [(0.9, 0.9, ["block", "roof"]), (0.85, 0.9, ["block", "roof"]), (0.95, 0.9, ["block"])],
)
def test_of_two_objects_in_one_place_the_higher_rated_is_seen(
    make_raster: Callable[..., Path], tmp_path: Path, block: float, roof: float, seen: list[str]
) -> None:
    """Where ratings are equal, the small one is: a roof on its block, whichever window saw them."""
    segment_block_with_roof(make_raster, tmp_path, PixelWindow(60, 40, 30, 20), (block, roof))
    labels = read(tmp_path / "labels.tif")
    assert len(np.unique(labels)) - 1 == len(seen)
    assert (labels[50, 75] != labels[25, 25]) == ("roof" in seen)
    sizes = {"block": 60 * 110 - (20 * 30 if "roof" in seen else 0), "roof": 20 * 30}
    assert sorted(features(tmp_path / "objects.gpkg")["area_px"]) == sorted(sizes[name] for name in seen)


@pytest.mark.parametrize("block_px", [1024, 48])
@pytest.mark.parametrize(("kept", "seen"), [(0.25, ["block", "roof"]), (0.15, ["roof"])])
def test_an_object_that_others_nearly_hide_is_left_out(
    make_raster: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kept: float,
    seen: list[str],
    block_px: int,
) -> None:
    """What would be left of it is a sliver around the others, which nobody means; in one block or several."""
    monkeypatch.setattr("server.segmentation.whole_raster.painting.BLOCK_PX", block_px)
    width = round(110 * (1 - kept))
    segment_block_with_roof(make_raster, tmp_path, PixelWindow(20, 20, width, 60), (0.8, 0.9))
    sizes = {"block": 60 * (110 - width), "roof": 60 * width}
    found = features(tmp_path / "objects.gpkg")["area_px"]
    assert sorted(found) == sorted(sizes[name] for name in seen)
    labels = read(tmp_path / "labels.tif")
    assert np.bincount(labels.ravel())[1:].tolist() == list(found)
    assert bool(labels[50, 125]) == ("block" in seen)
