"""Detections are cut to the image, dropped where they mean nothing, and numbered by place."""

from __future__ import annotations

import numpy as np

from server.datasets.detections.fitting import Fault, fit_detections
from server.datasets.detections.records import Box, Detection, corners_of

SIZE = (100, 50)


def make(x0, y0, x1, y1, name="car", line=1, **more):
    corners = corners_of(Box(x0, y0, x1, y1))
    return Detection("a", name, corners, more.get("is_difficult", False), f"a.txt, line {line}")


def point(x, y):
    return Detection("a", "tree", np.array([[x, y]], float), False, "a.csv, line 2")


def test_boxes_partly_outside_are_cut_and_those_wholly_outside_dropped():
    fitted = fit_detections([make(-10, -5, 20, 30), make(100, 0, 120, 20, line=2), make(5, 5, 5, 9, line=3)], SIZE)
    (target,) = fitted.targets
    assert target.box == (0, 0, 20, 30)
    assert target.detection.corners.tolist() == [[0, 0], [20, 0], [20, 30], [0, 30]]
    assert fitted.faults == (
        (Fault.CUT, "a.txt, line 1: cut at the border of the image."),
        (Fault.OUTSIDE, "a.txt, line 2: left out, outside of the image."),
        (Fault.EMPTY, "a.txt, line 3: left out, without an area."),
    )


def test_a_rotated_box_keeps_its_corners():
    corners = np.array([[5.0, -5], [15, 5], [5, 15], [-5, 5]])
    fitted = fit_detections([Detection("a", "ship", corners, False, "")], SIZE)
    assert fitted.targets[0].box == (0, 0, 15, 15)
    assert fitted.targets[0].detection.corners.tolist() == corners.tolist()


def test_four_corners_on_one_line_have_no_area():
    line = np.array([[0.0, 0], [5, 5], [10, 10], [20, 20]])
    assert fit_detections([Detection("a", "ship", line, False, "")], SIZE).faults[0][0] is Fault.EMPTY


def test_points_are_inside_or_outside():
    fitted = fit_detections([point(3, 4), point(101, 4)], SIZE)
    assert [target.box for target in fitted.targets] == [(3, 4, 3, 4)]
    assert [fault for fault, _ in fitted.faults] == [Fault.OUTSIDE]


def test_ids_do_not_depend_on_the_order_of_lines():
    boxes = [make(30, 5, 40, 9), make(1, 1, 9, 9), make(1, 1, 9, 9, "bus"), make(1, 1, 8, 9)]
    there, back = (fit_detections(order, SIZE).targets for order in (boxes, boxes[::-1]))
    told = [[(target.id, target.box, target.detection.class_name) for target in order] for order in (there, back)]
    assert told[0] == told[1]
    assert [number for number, _, _ in told[0]] == [1, 2, 3, 4]


def test_doubles_and_difficult_ones_are_dropped():
    boxes = [make(1, 1, 9, 9), make(1, 1, 9, 9, line=2), make(20, 1, 30, 9, is_difficult=True)]
    assert [fault for fault, _ in fit_detections(boxes, SIZE).faults] == [Fault.TWICE]
    fitted = fit_detections(boxes, SIZE, with_difficult=False)
    assert [fault for fault, _ in fitted.faults] == [Fault.TWICE, Fault.DIFFICULT]
    assert len(fitted.targets) == 1
