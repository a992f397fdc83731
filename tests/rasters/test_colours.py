"""An object keeps its colour, and no object looks like the background."""

from __future__ import annotations

import numpy as np

from server.rasters.colours import colours_of


def test_colours_are_a_fixed_function_of_the_id():
    ids = np.array([[5, 17], [5, 70_000]], dtype=np.int32)
    colours = colours_of(ids)
    assert colours.shape == (2, 2, 3)
    assert colours.dtype == np.uint8
    assert colours[0, 0].tolist() == colours[1, 0].tolist() == colours_of(np.array([5]))[0].tolist()


def test_no_colour_is_dark():
    assert colours_of(np.arange(1, 100_000)).max(axis=1).min() >= 150


def test_neighbouring_ids_look_different():
    colours = colours_of(np.arange(1, 10_000)).astype(int)
    for distance in (1, 2, 3):
        assert np.abs(colours[distance:] - colours[:-distance]).max(axis=1).min() >= 30


def test_the_largest_id_has_a_colour():
    assert colours_of(np.array([2**31 - 1], dtype=np.int32)).any()
