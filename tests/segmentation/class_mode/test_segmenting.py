"""A whole raster in class mode, with a stand-in that finds bright pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import rasterio
from numpy.typing import NDArray

from server.errors import BadParameter, Cancelled
from server.segmentation.class_mode.segmenting import ClassRequest, segment_class
from server.segmentation.whole_raster.segmenting import SegmentResult

REQUEST = ClassRequest((1, 2, 3), "roads", "road")


class BrightPixels:
    """Finds what is brighter than 100 in the red band."""

    def __init__(self, input_size: int) -> None:
        self.input_size = input_size
        self.shapes: list[tuple[int, ...]] = []

    def find_class(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert max(rgb.shape[:2]) <= self.input_size
        self.shapes.append(rgb.shape)
        return rgb[..., 0].astype(np.float32) - 100


@pytest.fixture
def roads(make_raster: Callable[..., Path]) -> Callable[..., Path]:
    """Return a maker of a raster with a cross of bright roads and a bright speck."""

    def make(**options: object) -> Path:
        bands = np.full((3, 90, 130), 40, np.uint8)
        bands[:, 40:46, :] = 200
        bands[:, :, 60:66] = 200
        bands[:, 5:7, 5:7] = 200
        return make_raster("roads.tif", bands, **options)

    return make


def run(
    source: Path, request: ClassRequest = REQUEST, size: int = 32, report: Callable[..., None] = lambda *_: None
) -> tuple[NDArray[np.int32], SegmentResult]:
    folder = source.parent / "out"
    folder.mkdir(exist_ok=True)
    result = segment_class(source, folder, request, lambda _name, _check: BrightPixels(size), report)
    with rasterio.open(folder / "labels.tif") as raster, rasterio.open(source) as original:
        assert (raster.crs, raster.transform, raster.nodata) == (original.crs, original.transform, 0)
        return raster.read(1), result


def test_the_class_is_found_everywhere_and_in_one_piece(roads: Callable[..., Path]) -> None:
    source = roads()
    labels, result = run(source)
    with rasterio.open(source) as raster:
        assert ((labels > 0) == (raster.read(1) > 100)).all()
    assert set(np.unique(labels)) == {0, 1, 2}
    assert len(np.unique(labels[40:46])) == 1
    assert (result.n_objects, result.width, result.height, result.n_empty_windows) == (2, 130, 90, 0)
    found = pyogrio.raw.read(source.parent / "out" / "objects.gpkg")
    names = list(found[0]["fields"])
    columns = dict(zip(names, found[3], strict=True))
    assert set(columns["class"]) == {"road"}
    assert set(columns["source"]) == {"class mode, checkpoint roads"}
    assert sorted(columns["area_px"].tolist()) == [4, 6 * 130 + 6 * 90 - 36]
    assert sorted(path.name for path in (source.parent / "out").iterdir()) == ["labels.tif", "objects.gpkg"]


def test_nodata_is_never_labelled(roads: Callable[..., Path]) -> None:
    source = roads(nodata=200)  # all that is bright; what is left is stretched and found in its place
    labels, result = run(source)
    with rasterio.open(source) as raster:
        assert ((labels == 0) == (raster.read(1) == 200)).all()
    assert result.n_objects == 4


def test_windows_without_data_are_not_looked_at(make_raster: Callable[..., Path]) -> None:
    bands = np.zeros((3, 64, 200), np.uint8)
    bands[:, :, :40] = 200
    labels, result = run(make_raster("half.tif", bands, nodata=0))
    assert result.n_empty_windows > result.n_windows > 0
    assert (labels[:, :40] == 1).all()
    assert not labels[:, 40:].any()


def test_small_areas_are_dropped(roads: Callable[..., Path]) -> None:
    request = ClassRequest((1, 2, 3), "roads", "road", min_mask_region_area=5)
    labels, result = run(roads(), request)
    assert set(np.unique(labels)) == {0, 1}
    assert result.n_objects == 1
    assert not labels[:10, :10].any()
    with pytest.raises(BadParameter, match="expected 0 or more"):
        ClassRequest((1, 2, 3), "roads", "road", min_mask_region_area=-1)


def test_only_the_window_is_labelled(roads: Callable[..., Path]) -> None:
    labels, _ = run(roads(), ClassRequest((1, 2, 3), "roads", "road", window=(10, 30, 40, 30)))  # type: ignore[arg-type]
    assert (labels[40:46, 10:50] == 1).all()
    labels[40:46, 10:50] = 0
    assert not labels.any()


def test_only_the_area_is_labelled(roads: Callable[..., Path]) -> None:
    source = roads(crs=None)
    ring = [[20, 20], [50, 20], [50, 60], [20, 60], [20, 20]]
    labels, _ = run(source, ClassRequest((1, 2, 3), "roads", "road", area={"type": "Polygon", "coordinates": [ring]}))
    assert (labels[40:46, 20:50] == 1).all()
    assert int((labels > 0).sum()) == 6 * 30


def test_a_coarser_look_is_drawn_in_the_rasters_own_pixels(roads: Callable[..., Path]) -> None:
    source = roads()
    network = BrightPixels(32)
    folder = source.parent / "out"
    folder.mkdir()
    request = ClassRequest((1, 2, 3), "roads", "road", resolution_m=1.0)  # pixels are 0.5 m
    segment_class(source, folder, request, lambda _name, _check: network, lambda *_: None)
    with rasterio.open(folder / "labels.tif") as raster, rasterio.open(source) as original:
        found, meant = raster.read(1) > 0, original.read(1) > 100
    assert len(network.shapes) < 9
    assert (found & meant).sum() / (found | meant).sum() > 0.8


def test_a_cancelled_run_leaves_nothing(roads: Callable[..., Path]) -> None:
    source = roads()

    def cancel(fraction: float, _step: str) -> None:
        if fraction > 0.9:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(source, report=cancel)
    assert list((source.parent / "out").iterdir()) == []


def test_progress_never_goes_back(roads: Callable[..., Path]) -> None:
    told: list[float] = []
    run(roads(), report=lambda fraction, _step: told.append(fraction))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
