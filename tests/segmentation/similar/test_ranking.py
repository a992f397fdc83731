"""Ranking by likeness: what is like the examples comes first, whatever else varies."""

from __future__ import annotations

import numpy as np
import pytest

from server.segmentation.similar.ranking import ALIKE, rank_alike


@pytest.fixture
def crowd() -> np.ndarray:
    """Return 60 objects; the first 12 differ from the rest in six numbers, all vary much more in others."""
    rng = np.random.default_rng(0)
    objects = rng.normal(0, 1, (60, 20))
    objects[:, 2:8] *= 50
    objects[:12, 8:14] += 3
    return objects


def rank(objects: np.ndarray, examples: np.ndarray) -> np.ndarray:
    return rank_alike(objects, np.full(len(objects), 50.0), examples, np.full(len(examples), 50.0))


def test_the_kin_of_three_examples_come_first(crowd):
    scores = rank(crowd, crowd[:3])
    kin = scores[3:12]
    assert (np.sort(scores[12:])[-5:] < np.median(kin)).all()
    assert (kin > ALIKE).mean() > 0.5
    assert (scores[12:] > ALIKE).mean() < 0.1


def test_of_two_that_look_alike_the_one_of_the_same_size_comes_first(crowd):
    areas = np.full(len(crowd), 50.0)
    areas[4] = 500
    twins = crowd.copy()
    twins[5] = twins[4]
    scores = rank_alike(twins, areas, twins[:3], areas[:3])
    assert scores[5] > scores[4] + 0.5


def test_the_examples_mean_has_one_and_the_crowds_mean_zero(crowd):
    scores = rank(np.vstack([crowd, crowd[:3].mean(axis=0)]), crowd[:3])
    assert scores.mean() == pytest.approx(0, abs=1e-9)
    assert scores[-1] == pytest.approx(1)


def test_scale_and_offset_of_a_number_do_not_matter(crowd):
    moved = crowd * np.linspace(0.1, 9, 20) + 7
    np.testing.assert_allclose(rank(moved, moved[:2]), rank(crowd, crowd[:2]), atol=1e-9)


def test_objects_that_are_all_the_same_get_zero():
    same = np.ones((5, 4))
    assert rank(same, same[:1]).tolist() == [0.0] * 5


def test_fewer_objects_than_numbers_are_no_trouble():
    objects = np.random.default_rng(1).normal(size=(3, 50))
    scores = rank(objects, objects[:1])
    assert scores.argmax() == 0
    assert np.isfinite(scores).all()
