"""What a record holds becomes again what was asked for."""

from __future__ import annotations

from server.datasets.review.masks import read_target

SIZE = (40, 30)


def test_targets_are_cut_to_the_image():
    annotation = {
        "instance_id": 3, "class": "ship", "difficult": 1, "corners": [[-5, 10], [20, -8], [45, 10], [20, 28]],
    }  # fmt: skip
    target = read_target(annotation, "a", SIZE)
    assert (target.id, target.detection.is_difficult, target.detection.is_rotated) == (3, True, True)
    assert target.box == (0, 0, 40, 28)
    point = read_target({"instance_id": 1, "class": "ship", "difficult": 0, "point": [4, 5]}, "a", SIZE)
    assert point.detection.is_point
