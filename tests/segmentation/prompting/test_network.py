"""A shared network answers like its package's predictor, inside a turn of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.embedded import build_embedded_sam
from server.segmentation.prompting.network import SharedNetwork
from server.segmentation.prompting.prompts import Extent, Prompts

PATCH = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
NO_POINTS = Prompts(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), Extent(10, 20, 60, 70))
POINTS = Prompts(np.array([[30.0, 40.0], [90.0, 10.0]]), np.array([1, 0]), None)


class Turns:
    """Counts the turns that were taken."""

    def __init__(self) -> None:
        self.n_taken = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        self.n_taken += 1
        yield


@pytest.mark.parametrize("prompts", [POINTS, NO_POINTS])
def test_the_numbers_are_those_of_the_predictor(tiny_sam: Any, prompts: Prompts) -> None:
    turns, predictor = Turns(), CachingPredictor(tiny_sam, "tiny", EmbeddingCache(1 << 24))
    network = SharedNetwork(predictor, turns.take)
    first = network.ask(PATCH, prompts, None, multimask=True)
    again = network.ask(PATCH, prompts, first[0].logits, multimask=True)
    assert turns.n_taken == 2
    assert (network.input_size, network.low_side) == (128, first[0].logits.shape[0])
    predictor.set_image(PATCH)
    for answer, earlier in ((first, None), (again, first[0].logits[None])):
        masks, qualities, logits = predictor.predict(
            prompts.points_xy if prompts is POINTS else None,
            prompts.labels if prompts is POINTS else None,
            None if prompts.box is None else np.array(prompts.box),
            earlier,
        )
        np.testing.assert_array_equal([item.mask for item in answer], masks)
        np.testing.assert_array_equal([item.logits for item in answer], logits)
        assert [item.predicted_iou for item in answer] == pytest.approx(qualities.tolist())
    assert not np.array_equal(first[0].logits, again[0].logits)


def test_only_official_networks_have_a_single_mask(tiny_sam: Any) -> None:
    for network, n_masks in ((tiny_sam, 1), (build_embedded_sam(128).eval(), 3)):
        predictor = CachingPredictor(network, "any", EmbeddingCache(1 << 24))
        shared = SharedNetwork(predictor, Turns().take)
        assert len(shared.ask(PATCH, POINTS, None, multimask=False)) == n_masks
        assert len(shared.ask(PATCH, POINTS, None, multimask=True)) == 3


def test_short_numbers_end_at_the_network(tiny_sam: Any) -> None:
    predictor = CachingPredictor(tiny_sam, "tiny", EmbeddingCache(1 << 24), "bfloat16")
    exact = SharedNetwork(CachingPredictor(tiny_sam, "tiny", EmbeddingCache(1 << 24)), Turns().take)
    network = SharedNetwork(predictor, Turns().take)
    for first, second in zip(
        exact.ask(PATCH, POINTS, None, multimask=True), network.ask(PATCH, POINTS, None, multimask=True), strict=True
    ):
        assert second.logits.dtype == np.float32
        assert not np.array_equal(first.logits, second.logits)
        np.testing.assert_allclose(first.logits, second.logits, atol=0.05)
        assert first.predicted_iou == pytest.approx(second.predicted_iou, abs=0.05)
    assert network.ask(PATCH, NO_POINTS, first.logits, multimask=False)[0].mask.shape == (96, 128)
