"""Class rasters are compared with masks, class by class."""

from __future__ import annotations

import numpy as np
import pytest

from server.datasets.errors import BadDataset
from server.datasets.scenes import Dataset, LabelledScene
from server.training.evaluation.class_maps import compare_class_maps, render_class_table
from tests.training.evaluation.test_running import Kept


def make_dataset(class_names: list[str], **maps: np.ndarray) -> Dataset:
    scenes = [
        LabelledScene(name, np.zeros((*classes.shape, 3), np.uint8), classes, classes, "area")
        for name, classes in maps.items()
    ]
    return Dataset([Kept(scene) for scene in scenes], class_names)


def make_map(*bands: tuple[int, int, int]) -> np.ndarray:
    classes = np.zeros((40, 40), np.int32)
    for row, height, number in bands:
        classes[row : row + height] = number
    return classes


def compare(truth: Dataset, predicted: Dataset):
    told: list[str] = []
    scores = compare_class_maps(truth, predicted, 1.0, told.append)
    assert told == list(truth.names)
    return {item.name: item for item in scores}


def test_classes_are_matched_by_name():
    truth = make_dataset(["road", "roof"], a=make_map((0, 10, 1), (20, 8, 2)))
    predicted = make_dataset(["roof", "road"], a=make_map((0, 10, 2), (20, 4, 1)))
    scores = compare(truth, predicted)
    assert scores["road"].micro.iou == scores["road"].boundary_f1 == scores["road"].cl_dice == 1.0
    assert scores["roof"].micro.iou == 0.5
    assert (scores["roof"].micro.precision, scores["roof"].micro.recall) == (1.0, 0.5)


def test_micro_and_macro_differ_where_images_do():
    truth = make_dataset(["road"], a=make_map((0, 30, 1)), b=make_map((0, 10, 1)))
    predicted = make_dataset(["road"], a=make_map((0, 30, 1)), b=make_map())
    road = compare(truth, predicted)["road"]
    assert (road.micro.iou, road.macro.iou) == (0.75, 0.5)


def test_unknown_ground_counts_as_neither():
    truth = make_dataset(["road"], a=make_map((0, 10, 1), (10, 30, -1)))
    predicted = make_dataset(["road"], a=make_map((0, 20, 1)))
    assert compare(truth, predicted)["road"].micro.iou == 1.0


def test_the_table_has_a_row_for_every_class():
    truth = make_dataset(["road", "roof"], a=make_map((0, 10, 1)))
    table = render_class_table(list(compare(truth, truth).values())).splitlines()
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| road | 1.000 / 1.000 |")


def test_what_does_not_fit_gets_a_sentence():
    truth = make_dataset(["road"], a=make_map(), b=make_map())
    with pytest.raises(BadDataset, match='no class "road"; they have "roof"'):
        compare(truth, make_dataset(["roof"], a=make_map(), b=make_map()))
    with pytest.raises(BadDataset, match='1 images have no label raster of the same name: "b"'):
        compare(truth, make_dataset(["road"], a=make_map()))
