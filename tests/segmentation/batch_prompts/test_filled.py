"""Quadrilaterals become mask prompts."""

from __future__ import annotations

import numpy as np

from server.segmentation.batch_prompts.filled import CERTAIN, fill_corners, hold_centres


def test_pixels_whose_centre_lies_inside_are_certain():
    upright = np.array([[1.0, 2], [4, 2], [4, 4], [1, 4]])
    turned = np.array([[4.0, 0], [8, 4], [4, 8], [0, 4]])
    drawn = fill_corners(np.stack([upright, turned]), 8)
    assert drawn.dtype == np.float32
    assert set(np.unique(drawn)) == {-CERTAIN, CERTAIN}
    assert np.argwhere(drawn[0] > 0).tolist() == [[y, x] for y in (2, 3) for x in (1, 2, 3)]
    rows = (drawn[1] > 0).sum(axis=1)
    assert rows.tolist() == [1, 3, 5, 7, 7, 5, 3, 1] or rows.sum() == 32


def test_what_holds_no_centre_gets_the_pixel_under_its_middle():
    thin = np.array([[3.1, 5.1], [3.3, 5.1], [3.3, 5.3], [3.1, 5.3]])
    beyond = thin + 100
    drawn = fill_corners(np.stack([thin, beyond]), 8)
    assert np.argwhere(drawn[0] > 0).tolist() == [[5, 3]]
    assert np.argwhere(drawn[1] > 0).tolist() == [[7, 7]]


def test_neighbours_share_no_pixel():
    left = np.array([[0.0, 0], [2.5, 0], [2.5, 3], [0, 3]])
    right = np.array([[2.5, 0], [5, 0], [5, 3], [2.5, 3]])
    assert (hold_centres(left, (3, 5)) ^ hold_centres(right, (3, 5))).all()
