"""What all prompts on an image have in common is kept with its embedding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.embedded import build_embedded_sam

SIZE = 64
SHARE_BYTES = (64 + 8 * 16) * (SIZE // 8) ** 2 * 4
EMBEDDING_BYTES = 256 * (SIZE // 8) ** 2 * 4
CLICK = {"point_coords": np.array([[30.0, 20.0]]), "point_labels": np.array([1])}


def test_a_second_look_at_an_image_derives_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = build_embedded_sam(SIZE).eval()
    derived: list[int] = []
    make_keys = network.mask_decoder._make_keys

    def count(embeddings: torch.Tensor) -> torch.Tensor:
        derived.append(1)
        return make_keys(embeddings)

    monkeypatch.setattr(network.mask_decoder, "_make_keys", count)
    cache = EmbeddingCache(1 << 24)
    predictor = CachingPredictor(network, "test", cache)
    images = [np.full((SIZE, SIZE, 3), value, np.uint8) for value in (40, 200)]
    answers = []
    for index in (0, 0, 1, 0):
        predictor.set_image(images[index])
        answers.append(predictor.predict(**CLICK)[2])
    assert len(derived) == 2
    assert cache.n_bytes == 2 * (EMBEDDING_BYTES + SHARE_BYTES)
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[3])
    assert not np.array_equal(answers[0], answers[2])


def test_another_image_is_not_answered_from_what_is_recalled() -> None:
    torch.manual_seed(0)
    decoder = build_embedded_sam(SIZE).eval().mask_decoder
    first, second = torch.randn(2, 1, 256, SIZE // 8, SIZE // 8)
    with torch.no_grad():
        expected = decoder.share(second)
        decoder.recall(first, decoder.share(first))
        assert decoder.share(first) is decoder.share(first)
        for known, derived in zip(expected, decoder.share(second), strict=True):
            torch.testing.assert_close(derived, known)
