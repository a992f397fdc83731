"""Ranking by likeness: what is like the examples comes first, whatever else varies."""

from __future__ import annotations

import numpy as np
import pytest

from server.segmentation.similar.ranking import ALIKE, rank_alike


@pytest.fixture
def crowd() -> np.ndarray:
    """Return 60 objects; the first 12 differ from the rest in two numbers, all vary much more in the others."""
    rng = np.random.default_rng(0)
    objects = rng.normal(0, 1, (60, 20))
    objects[:, 2:8] *= 50
    objects[:12, 0] += 4
    objects[:12, 1] -= 4
    return objects


def test_the_kin_of_three_examples_come_first(crowd):
    scores = rank_alike(crowd, crowd[:3])
    kin = scores[3:12]
    assert (np.sort(scores[12:])[-5:] < np.median(kin)).all()
    assert (kin > ALIKE).mean() > 0.7
    assert (scores[12:] > ALIKE).mean() < 0.1


def test_the_examples_mean_has_one_and_the_crowds_mean_zero(crowd):
    scores = rank_alike(np.vstack([crowd, crowd[:3].mean(axis=0)]), crowd[:3])
    assert scores.mean() == pytest.approx(0, abs=1e-9)
    assert scores[-1] == pytest.approx(1)


def test_scale_and_offset_of_a_number_do_not_matter(crowd):
    moved = crowd * np.linspace(0.1, 9, 20) + 7
    np.testing.assert_allclose(rank_alike(moved, moved[:2]), rank_alike(crowd, crowd[:2]), atol=1e-9)


def test_objects_that_are_all_the_same_get_zero():
    same = np.ones((5, 4))
    assert rank_alike(same, same[:1]).tolist() == [0.0] * 5


def test_fewer_objects_than_numbers_are_no_trouble():
    objects = np.random.default_rng(1).normal(size=(3, 50))
    scores = rank_alike(objects, objects[:1])
    assert scores.argmax() == 0
    assert np.isfinite(scores).all()
