"""Masks come back from their packed runs exactly, without unpacking the whole image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as run_lengths

from server.datasets.building.run_lengths import encode_mask, read_counts, read_mask
from server.datasets.errors import BadDataset
from server.rasters.windows import PixelWindow

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIZE = (40, 30)


@given(st.integers(0, 39), st.integers(0, 29), st.integers(1, 40), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_a_mask_survives_packing(left: int, top: int, width: int, height: int, seed: int):
    window = PixelWindow(left, top, min(width, SIZE[0] - left), min(height, SIZE[1] - top))
    mask = np.random.default_rng(seed).random((window.height, window.width)) < 0.5
    packed = encode_mask(mask, window, SIZE)
    assert np.array_equal(read_mask({"bbox": list(window), "segmentation": packed}), mask)
    whole = np.zeros(SIZE[::-1], np.uint8)
    whole[window.row : window.row + window.height, window.col : window.col + window.width] = mask
    assert np.array_equal(run_lengths.decode(packed), whole)


def test_damaged_counts_are_said():
    with pytest.raises(BadDataset, match="damaged"):
        read_counts("\x7f")
