"""A whole raster to a class raster, with a backbone that shows colours as features."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray

from server.errors import BadParameter, Cancelled
from server.rasters.windows import PixelWindow
from server.vocabulary.backbones import DenseFeatures
from server.vocabulary.classifying import ClassifyRequest, ClassifyResult, classify_raster
from server.vocabulary.logits import Looker, Queries
from server.vocabulary.settings import VocabularySettings

NAMES = ("background", "vegetation", "sand")
COLOURS = ((0, 0, 0), (20, 160, 40), (230, 200, 120))
REQUEST = ClassifyRequest((1, 2, 3), NAMES, COLOURS)


class ColourBackbone:
    """Every pixel's feature is its colour, centred; cells are single pixels."""

    n_channels, stride = 3, 1
    max_size: int | None = None

    def encode(self, rgb: NDArray[np.uint8]) -> DenseFeatures:
        colours = torch.from_numpy(rgb.astype(np.float32)).movedim(-1, 0) - 127
        return DenseFeatures(colours, torch.ones(3), colours, 0, 0)


def make_looker(check: Callable[[], None], **knobs: Any) -> Looker:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, -1, -1], [-1, 1, -1], [1, 1, -1]]), dim=1)
    knobs = {"window": 48, "stride": 32, "global_bias": 0.0, "long_side": None, **knobs}
    return Looker(ColourBackbone(), Queries(vectors, (0, 1, 2)), VocabularySettings(**knobs))


def paint(size: tuple[int, int] = (150, 100)) -> tuple[np.ndarray, np.ndarray]:
    """Bands (3, H, W), red, green, yellow in squares, and the number of the class of each pixel."""
    rows, cols = np.mgrid[0 : size[1], 0 : size[0]]
    truth = (rows // 25 + cols // 25) % 3
    colours = np.array([(220, 30, 40), (40, 210, 30), (230, 220, 20)], np.uint8)
    return np.ascontiguousarray(colours[truth].transpose(2, 0, 1)), truth


def run(source: Path, folder: Path, request: ClassifyRequest = REQUEST, **knobs: Any) -> ClassifyResult:
    folder.mkdir(exist_ok=True)
    return classify_raster(source, folder, request, lambda check: make_looker(check, **knobs), lambda *_: None)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as raster:
        return raster.read(1)


def test_a_raster_becomes_a_class_raster(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    bands, truth = paint()
    source = make_raster(bands=bands)
    result = run(source, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["classes.tif", "probability.tif"]
    with rasterio.open(tmp_path / "out" / "classes.tif") as classes, rasterio.open(source) as original:
        assert (classes.dtypes, classes.nodata, classes.crs) == (("uint8",), 0, original.crs)
        assert classes.transform == original.transform
        np.testing.assert_array_equal(classes.read(1), truth + 1)
        assert classes.colormap(1)[3][:3] == COLOURS[2]
        assert json.loads(classes.tags()["CLASSES"]) == {"1": "background", "2": "vegetation", "3": "sand"}
    assert result.n_pixels == tuple(np.bincount(truth.ravel()))
    assert (result.width, result.height) == (150, 100)
    assert read(tmp_path / "out" / "probability.tif").min() > 90


def test_pixels_without_data_have_no_class(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    bands, truth = paint()
    bands[:, 40:, 60:] = 0
    result = run(make_raster(bands=bands, nodata=0), tmp_path / "out")
    classes, probability = (read(tmp_path / "out" / name) for name in ("classes.tif", "probability.tif"))
    assert (classes[40:, 60:] == 0).all()
    assert (probability[40:, 60:] == 0).all()
    assert (classes[:40] == truth[:40] + 1).all()
    assert (probability[:40] > 0).all()
    assert sum(result.n_pixels) == (classes > 0).sum()


def test_a_window_of_it_and_a_coarser_resolution(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    bands, truth = paint()
    source = make_raster(bands=bands)  # half a metre per pixel
    request = ClassifyRequest((1, 2, 3), NAMES, COLOURS, PixelWindow(30, 10, 100, 70), resolution_m=1.0)
    run(source, tmp_path / "out", request)
    classes = read(tmp_path / "out" / "classes.tif")
    inside = np.zeros(classes.shape, bool)
    inside[10:80, 30:130] = True
    assert (classes[~inside] == 0).all()
    assert (classes[inside] == truth[inside] + 1).mean() > 0.9


def test_what_is_not_likely_becomes_background(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    bands, _ = paint()
    bands[:, 50:] = np.array([100, 100, 240], np.uint8)[:, None, None]  # blue fits nothing
    run(make_raster(bands=bands), tmp_path / "out", prob_thd=0.6, bg_idx=0, logit_scale=2.0)
    assert (read(tmp_path / "out" / "classes.tif")[60:] == 1).all()


def test_a_cancelled_classification_leaves_nothing(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()

    def report(fraction: float, step: str) -> None:
        if fraction >= 0.94:
            raise Cancelled

    with pytest.raises(Cancelled):
        classify_raster(make_raster(bands=paint()[0]), folder, REQUEST, make_looker, report)
    assert list(folder.iterdir()) == []


def test_a_background_that_is_no_class_is_refused(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="bg_idx"):
        run(make_raster(bands=paint()[0]), tmp_path / "out", prob_thd=0.5, bg_idx=3)
    with pytest.raises(BadParameter, match="2 colours for 3 classes"):
        ClassifyRequest((1, 2, 3), NAMES, COLOURS[:2])
