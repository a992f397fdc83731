"""Class tables: values and colours become classes, and what is wrong is said in full."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from server.datasets.class_table import make_class_table, read_class_table
from server.datasets.errors import BadDataset

VALUES = [{"name": "road", "value": 3}, {"name": "roof", "value": 7}, {"name": "cloud", "value": 9, "ignore": True}]
COLOURS = [{"name": "road", "colour": "#6EC1E4"}, {"name": "roof", "colour": [60, 16, 152]}]


def test_values_become_classes_in_the_order_of_the_table():
    table = make_class_table(VALUES)
    assert table.class_names == ("road", "roof")
    assert table.to_classes(np.array([[0, 3], [7, 9]]), "mask").tolist() == [[0, 1], [2, -1]]


def test_colours_become_classes():
    table = make_class_table([*COLOURS, {"name": "rest", "colour": "000000", "background": True}])
    assert table.to_classes(np.array([0x6EC1E4, 0x3C1098, 0]), "mask").tolist() == [1, 2, 0]


def test_two_rows_of_one_name_are_one_class():
    table = make_class_table([{"name": "roof", "value": 1}, {"name": "road", "value": 2}, {"name": "roof", "value": 3}])
    assert table.class_names == ("roof", "road")
    assert table.to_classes(np.array([1, 2, 3]), "mask").tolist() == [1, 2, 1]


def test_zero_may_be_a_class():
    table = make_class_table([{"name": "water", "value": 0}, {"name": "land", "value": 1}])
    assert table.to_classes(np.array([0, 1]), "mask").tolist() == [1, 2]


def test_values_that_the_table_misses_are_listed():
    with pytest.raises(BadDataset, match=r"a\.png holds 2 values that the class table misses: 4, 5; found 0, 3, 4, 5"):
        make_class_table(VALUES).to_classes(np.array([0, 3, 4, 5]), "a.png")


def test_a_black_and_white_mask_is_recognised():
    with pytest.raises(BadDataset, match=r"0/255 black-and-white mask.*declares 0, 3, 7, 9.*divide.*declare the value"):
        make_class_table(VALUES).to_classes(np.array([0, 255]), "a.png")


def test_colours_that_the_table_misses_are_listed_and_jpeg_is_suspected():
    with pytest.raises(BadDataset, match=r"1 colours that the class table misses: #010203"):
        make_class_table(COLOURS).to_classes(np.array([0x010203, 0x6EC1E4]), "a.png")
    with pytest.raises(BadDataset, match="JPEG changes colours"):
        make_class_table(COLOURS).to_classes(np.arange(200), "a.jpg")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "cannot be read"),
        ("{}", "not a list of classes"),
        ("[]", "not a list of classes"),
        (json.dumps([*VALUES, *COLOURS]), "mixes values and colours"),
        (json.dumps([{"name": "road"}]), 'needs a "name" and an integer "value"'),
        (json.dumps([{"name": "road", "value": "3"}]), 'integer "value"'),
        (json.dumps([{"name": "road", "colour": "blue"}]), "#6EC1E4"),
        (json.dumps([{"name": "road", "colour": [1, 2, 256]}]), "#6EC1E4"),
        (json.dumps([{"name": "road", "value": 3}, {"name": "roof", "value": 3}]), r"names \[3\] twice"),
        (json.dumps([{"name": "rest", "value": 3, "ignore": True}]), "holds no class"),
    ],
)
def test_a_wrong_table_gets_a_sentence(content: str, complaint: str, tmp_path: Path):
    path = tmp_path / "classes.json"
    path.write_text(content)
    with pytest.raises(BadDataset, match=complaint):
        read_class_table(path)


def test_an_absent_table_gets_a_sentence(tmp_path: Path):
    with pytest.raises(BadDataset, match="cannot be read"):
        read_class_table(tmp_path / "absent.json")
