"""A class map refined by objects: votes, decisions, and the files of a whole raster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import rasterio

from server.rasters.labels import LabelCanvas
from server.rasters.windows import PixelWindow
from server.segmentation.progress import Report
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS
from server.vectors.geopackage import ObjectAttributes, write_objects
from server.vocabulary.classifying import ClassifyResult, classify_raster
from server.vocabulary.head import ClassMap
from server.vocabulary.refining import ObjectVotes
from server.vocabulary.settings import VocabularySettings
from tests.vocabulary.test_classifying import NAMES, REQUEST, make_looker, paint, read

SETTINGS = VocabularySettings()


def test_doubtful_pixels_take_the_class_their_object_agrees_on() -> None:
    labels = np.array([[7, 7, 7, 7, 0], [2, 2, 0, 3, 3]], np.int32)
    first = np.array([[0.6, 0.2, 0.2, 0.2, 0.9], [0.1, 0.1, 0.9, 0.7, 0.1]], np.float32)
    probabilities = np.stack([first, 1 - first])
    votes = ObjectVotes(2)
    votes.add(labels[:, :2], probabilities[:, :, :2])
    votes.add(labels[:, 2:], probabilities[:, :, 2:])
    decided = votes.decide(SETTINGS)
    assert decided.classes[[7, 2, 3]].tolist() == [1, 1, 1]
    assert decided.probability[[7, 2, 3]].tolist() == pytest.approx([0.7, 0.9, 0.6])
    assert np.flatnonzero(decided.is_known).tolist() == [2, 3, 7]
    # Of object 3 only half of the pixels are of its class, so both keep theirs; nobody voted for object 40.
    assert np.flatnonzero(decided.agrees).tolist() == [2, 7]
    found = ClassMap(probabilities.argmax(0).astype(np.uint8), probabilities.max(0))
    labels[1, 2] = 40
    refined = decided.refine(labels, found)
    assert refined.classes.tolist() == [[1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]
    assert refined.probability[0].tolist() == pytest.approx([0.7, 0.8, 0.8, 0.8, 0.9])
    # The map is surer of the first pixel than of the object, so the pixel keeps its class.
    surer = ClassMap(found.classes, np.where(labels == 7, np.float32(0.75), found.probability))
    assert decided.refine(labels, surer).classes[0].tolist() == [0, 1, 1, 1, 0]


def test_an_object_below_the_threshold_becomes_background() -> None:
    votes = ObjectVotes(3)
    votes.add(np.ones((1, 2), np.int32), np.array([[[0.2, 0.2]], [[0.5, 0.3]], [[0.3, 0.5]]], np.float32))
    assert votes.decide(VocabularySettings(prob_thd=0.45, bg_idx=2)).classes[1] == 2
    assert votes.decide(VocabularySettings(prob_thd=0.3, bg_idx=2)).classes[1] == 1


def test_no_objects_change_nothing() -> None:
    votes = ObjectVotes(2)
    votes.add(np.zeros((2, 2), np.int32), np.zeros((2, 2, 2), np.float32))
    found = ClassMap(np.array([[0, 1]], np.uint8), np.array([[0.6, 0.7]], np.float32))
    refined = votes.decide(SETTINGS).refine(np.zeros((1, 2), np.int32), found)
    assert refined.classes.tolist() == [[0, 1]]
    assert refined.probability.tolist() == found.probability.tolist()


@pytest.fixture
def refined(make_raster: Callable[..., Path], tmp_path: Path) -> tuple[ClassifyResult, Path, np.ndarray]:
    """A map whose squares are objects, with three green specks: a doubtful one, a sure one, and a doubtful one in a
    square that is no object.
    """
    bands, truth = paint()
    doubtful, sure = ((np.array(colour, np.uint8)[:, None, None]) for colour in ((132, 127, 25), (40, 210, 30)))
    bands[:, 3:8, 3:8] = doubtful
    bands[:, 5:10, 80:85] = sure
    bands[:, 80:85, 130:135] = doubtful
    truth[5:10, 80:85] = truth[80:85, 130:135] = 1
    source = make_raster(bands=bands)
    rows, cols = np.mgrid[:100, :150]
    labels = (rows // 25 * 6 + cols // 25 + 1).astype(np.int32)
    labels[labels == 24] = 0

    def find_objects(folder: Path, report: Report) -> None:
        report(0.5, "looking at windows")
        with LabelCanvas(source, folder) as canvas:
            canvas.write(PixelWindow(0, 0, 150, 100), labels)
            canvas.write_cog(folder / LABELS)
        write_objects(folder / LABELS, folder / OBJECTS, {1: ObjectAttributes(0.5, 0.75, (4.0, 4.0), source="test")})

    told: list[float] = []
    (tmp_path / "out").mkdir()
    result = classify_raster(
        source,
        tmp_path / "out",
        replace(REQUEST, refine=True),
        lambda check: make_looker(check, logit_scale=10.0),
        lambda share, _step: told.append(share),
        find_objects,
    )
    assert told == sorted(told)
    return result, tmp_path / "out", truth


def test_only_a_doubtful_speck_in_an_object_goes(refined: tuple[ClassifyResult, Path, np.ndarray]) -> None:
    result, folder, truth = refined
    assert sorted(path.name for path in folder.iterdir()) == [
        "classes.tif",
        "labels.tif",
        "objects.gpkg",
        "probability.tif",
    ]
    np.testing.assert_array_equal(read(folder / "classes.tif"), truth + 1)
    assert result.n_pixels == tuple(np.bincount(truth.ravel()))
    assert result.n_objects == 23
    probability = read(folder / "probability.tif")
    assert probability[5, 5] < 99 < probability[10, 10]
    with rasterio.open(folder / "classes.tif") as classes:
        assert classes.colormap(1)[3][:3] == REQUEST.colours[2]


def test_objects_have_class_and_score(refined: tuple[ClassifyResult, Path, np.ndarray]) -> None:
    _, folder, truth = refined
    meta, _, _, columns = pyogrio.raw.read(folder / OBJECTS, read_geometry=False)
    table = dict(zip(meta["fields"], columns, strict=True))
    classes = dict(zip(table["id"].tolist(), table["class"].tolist(), strict=True))
    expected = {row * 6 + col + 1: NAMES[truth[row * 25, col * 25]] for row in range(4) for col in range(6)}
    del expected[24]
    assert classes == expected
    first = table["id"].tolist().index(1)
    assert table["predicted_iou"][first] == pytest.approx(read(folder / "probability.tif")[5, 5] / 100, abs=0.006)
    assert (table["stability_score"][first], table["source"][first]) == (0.75, "test")


def test_refining_needs_objects(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing was given that finds them"):
        classify_raster(
            make_raster(bands=paint()[0]), tmp_path, replace(REQUEST, refine=True), make_looker, lambda *_: None
        )
