"""Masks that obey clicks and boxes agree more than those that do not."""

from __future__ import annotations

import numpy as np
import pytest

from server.segmentation.prompting.agreement import measure_agreement
from server.segmentation.prompting.prompts import Extent, Prompts

MASK = np.zeros((20, 30), dtype=bool)
MASK[4:14, 10:20] = True
BBOX = (10, 4, 10, 10)


def prompts(*points: tuple[float, float, int], box: Extent | None = None) -> Prompts:
    rows = np.array(points, dtype=np.float64).reshape(-1, 3)
    return Prompts(rows[:, :2], rows[:, 2].astype(np.int64), box)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (prompts((15.5, 8.5, 1)), 1.0),
        (prompts((15.5, 8.5, 0)), 0.0),
        (prompts((15.5, 8.5, 1), (10.0, 13.99, 1), (20.0, 8.0, 0), (15.0, 3.99, 1)), 0.75),
        (prompts((30.0, 20.0, 0)), 1.0),  # on the raster's far corner
        (prompts(box=Extent(10, 4, 20, 14)), 1.0),
        (prompts(box=Extent(10, 4, 20, 9)), 0.5),
        (prompts(box=Extent(0, 0, 10, 4)), 0.0),
        (prompts((15.5, 8.5, 1), (15.5, 9.5, 0), box=Extent(10, 4, 20, 9)), 0.25),
    ],
)
def test_agreement(given: Prompts, expected: float) -> None:
    assert measure_agreement(MASK, BBOX, given) == pytest.approx(expected)
