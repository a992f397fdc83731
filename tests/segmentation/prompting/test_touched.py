"""What a click takes is the piece that it touches."""

from __future__ import annotations

import numpy as np
import pytest

from server.segmentation.prompting.prompts import Extent, Prompts
from server.segmentation.prompting.touched import keep_touched, silence

LEFT, MIDDLE, RIGHT = (2.5, 3.0), (10.5, 3.0), (17.5, 3.0)


@pytest.fixture
def mask() -> np.ndarray:
    """Two roofs and, across a corner of the left one, its annexe."""
    drawn = np.zeros((12, 20), bool)
    drawn[1:6, 1:5] = True
    drawn[6:8, 5:7] = True
    drawn[1:6, 15:19] = True
    return drawn


def make_prompts(*clicks: tuple[tuple[float, float], int], box: Extent | None = None) -> Prompts:
    places = np.array([place for place, _ in clicks], np.float64).reshape(-1, 2)
    return Prompts(places, np.array([label for _, label in clicks], np.int64), box)


@pytest.mark.parametrize(
    ("prompts", "kept"),
    [
        (make_prompts((LEFT, 1)), slice(0, 10)),
        (make_prompts((RIGHT, 1), (MIDDLE, 0)), slice(10, 20)),
        (make_prompts((LEFT, 1), (RIGHT, 1)), slice(0, 20)),
        (make_prompts((LEFT, 1), (MIDDLE, 1)), slice(0, 10)),
        (make_prompts((MIDDLE, 1)), slice(0, 20)),
        (make_prompts((LEFT, 0)), slice(0, 20)),
        (make_prompts((LEFT, 1), box=Extent(0, 0, 20, 12)), slice(0, 20)),
        (make_prompts(box=Extent(0, 0, 20, 12)), slice(0, 20)),
        (make_prompts(((25.0, -3.0), 1)), slice(0, 20)),
    ],
)
def test_pieces_that_are_touched_stay(mask: np.ndarray, prompts: Prompts, kept: slice) -> None:
    expected = np.zeros_like(mask)
    expected[:, kept] = mask[:, kept]
    assert np.array_equal(keep_touched(mask, prompts), expected)


def test_what_is_corrected_stays(mask: np.ndarray) -> None:
    earlier = np.zeros_like(mask)
    earlier[1:3, 1:3] = True
    both = keep_touched(mask, make_prompts((RIGHT, 1)), earlier)
    assert np.array_equal(both, mask)
    left = keep_touched(mask, make_prompts((MIDDLE, 0)), earlier)
    assert left[:, :10].sum() == mask[:, :10].sum()
    assert not left[:, 10:].any()


def test_what_was_left_out_is_not_told_as_part_of_the_mask(mask: np.ndarray) -> None:
    logits = np.full((16, 16), -5, np.float32)
    logits[:6, :10] = np.where(mask[::2, ::2], 5, -5)
    kept = keep_touched(mask, make_prompts((LEFT, 1)))
    quiet = silence(logits, mask & ~kept, kept, (6, 10))
    assert (quiet[:6, 7:10] < 0).all()
    assert np.array_equal(quiet[:6, :5], logits[:6, :5])
    assert logits[:6, 7:10].max() == 5


def test_nothing_stays_of_nothing(mask: np.ndarray) -> None:
    assert not keep_touched(np.zeros_like(mask), make_prompts((LEFT, 1))).any()
