"""YOLO, YOLO-OBB and DOTA."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from server.datasets.detections.records import order_corners
from server.datasets.errors import BadDataset

TURNED = [[10.0, 0.0], [20.0, 10.0], [10.0, 20.0], [0.0, 10.0]]


def test_yolo_shares_become_pixels(read_text):
    first, second = read_text("yolo", ".txt", "0 0.5 0.5 0.2 0.4\n\n1 0.05 0.1 0.1 0.2\n", ["car", "ship"])
    assert (first.class_name, first.box) == ("car", (40, 15, 60, 35))
    assert (second.class_name, second.box, second.source) == ("ship", (0, 0, 10, 10), "a.txt, line 3")
    assert not first.is_rotated
    assert read_text("yolo", ".txt", "7 0.5 0.5 0.2 0.4")[0].class_name == "class 7"


def test_yolo_obb_has_four_corners(read_text):
    (found,) = read_text("yolo-obb", ".txt", "0 0.1 0.0 0.2 0.2 0.1 0.4 0.0 0.2", ["ship"])
    assert found.is_rotated
    assert found.box == (0, 0, 20, 20)
    assert found.corners.tolist() == TURNED


def test_dota_has_pixels_and_difficult_objects(read_text):
    text = "imagesource:GoogleEarth\ngsd:0.146\n10 0 20 10 10 20 0 10 ship 1\n0 0 5 0 5 5 0 5 plane\n"
    ship, plane = read_text("dota", ".txt", text)
    assert (ship.class_name, ship.is_difficult, ship.source) == ("ship", True, "a.txt, line 3")
    assert ship.corners.tolist() == TURNED
    assert (plane.is_difficult, plane.is_rotated, plane.box) == (False, False, (0, 0, 5, 5))


@pytest.mark.parametrize("corners", [TURNED, [[3, 4], [9, 1], [12, 7], [6, 10]], [[0, 0], [7, 0], [7, 3], [0, 3]]])
def test_rectangles_do_not_depend_on_the_order_of_corners(corners, read_text):
    seen = set()
    for order in permutations(corners):
        (found,) = read_text("dota", ".txt", " ".join(f"{x} {y}" for x, y in order) + " ship 0")
        seen.add((found.box, tuple(map(tuple, found.corners))))
    ((box, ordered),) = seen
    assert box == (*np.min(corners, axis=0), *np.max(corners, axis=0))
    x, y = np.array(ordered).T
    assert float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) > 0  # clockwise on the screen


def test_the_upper_left_corner_comes_first():
    assert order_corners(np.array([[7.0, 3], [0, 3], [0, 0], [7, 0]])).tolist() == [[0, 0], [7, 0], [7, 3], [0, 3]]


@pytest.mark.parametrize(
    ("kind", "text", "classes", "sentence"),
    [
        ("yolo", "0 0.5 0.5 0.2", None, r"a\.txt, line 1 has 4 columns; expected the class number and centre x"),
        ("yolo", "\n0 0.5 0.5 0.2 wide", None, r'a\.txt, line 2: "wide" stands where a number is expected'),
        ("yolo", "0 0.5 0.5 0.2 nan", None, r'a\.txt, line 1: "nan" stands where a number'),
        ("yolo", "0 50 50 20 40", None, r"a\.txt, line 1 holds 50; YOLO's numbers are shares"),
        ("yolo", "car 0.5 0.5 0.2 0.4", None, r'line 1: "car" is no class number'),
        ("yolo", "2 0.5 0.5 0.2 0.4", ["car"], r"line 1: class number 2 asked, but the list has 1 classes"),
        ("yolo-obb", "0 0.5 0.5 0.2 0.4", None, r"line 1 has 5 columns; expected the class number and x and y of four"),
        ("dota", "1 2 3 4 5 6 7 ship", None, r"line 1 has 8 columns; DOTA's have eight numbers"),
        ("dota", "1 2 3 4 5 6 7 8 ship perhaps", None, r'line 1: difficult is "perhaps"; expected 0 or 1'),
        ("dota", "1 2 3 4 5 6 7 8 shop 0", ["ship"], r'line 1: the class "shop" is not among "ship"'),
    ],
)
def test_wrong_rows_get_a_sentence(kind, text, classes, sentence, read_text):
    with pytest.raises(BadDataset, match=sentence):
        read_text(kind, ".txt", text, classes)
