"""The prompt-free mask of both kinds of networks, and small patches that are padded instead of enlarged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from server.errors import Cancelled
from server.segmentation.class_mode.network import SharedClassNetwork
from server.segmentation.class_mode.prompt_free import decode_without_prompt, has_single_mask
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.embedded import build_embedded_sam
from server.segmentation.networks.padded_patches import PADDING_COLOUR, pad_to_square

RGB = np.random.default_rng(0).integers(0, 255, (100, 128, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["official", "embedded"])
def network(request: pytest.FixtureRequest) -> Any:
    if request.param == "official":
        return request.getfixturevalue("tiny_sam")
    torch.manual_seed(0)
    return build_embedded_sam(128).eval().requires_grad_(False)


def make(network: Any) -> SharedClassNetwork:
    return SharedClassNetwork(CachingPredictor(network, "test", EmbeddingCache(0)), nullcontext)


def test_a_patch_gets_logits_of_its_size(network: Any) -> None:
    class_network = make(network)
    logits = class_network.find_class(RGB)
    assert class_network.input_size == 128
    assert (logits.shape, logits.dtype) == ((100, 128), np.float32)
    assert np.isfinite(logits).all()
    assert np.ptp(logits) > 0


def test_a_small_patch_looks_like_the_same_pixels_in_a_padded_one(network: Any) -> None:
    class_network = make(network)
    padded = np.full((128, 128, 3), PADDING_COLOUR, np.uint8)
    padded[:100] = RGB
    np.testing.assert_array_equal(class_network.find_class(RGB), class_network.find_class(padded)[:100])
    assert pad_to_square(padded, 128) is padded


def test_a_cancelled_job_stops_inside_the_network(network: Any) -> None:
    n_checks = 0

    def check() -> None:
        nonlocal n_checks
        n_checks += 1
        if n_checks == 5:
            raise Cancelled

    predictor = CachingPredictor(network, "test", EmbeddingCache(0))
    with pytest.raises(Cancelled):
        SharedClassNetwork(predictor, nullcontext, check).find_class(RGB)
    assert not predictor.is_image_set


def test_nothing_is_a_prompt_of_its_own(network: Any) -> None:
    with torch.inference_mode():
        images = torch.from_numpy(pad_to_square(RGB, 128)).permute(2, 0, 1)[None].float()
        embedding = network.image_encoder(network.preprocess(images))
        logits, quality = decode_without_prompt(network, embedding)
        sparse, dense = network.prompt_encoder(points=None, boxes=None, masks=None)
        position = network.prompt_encoder.get_dense_pe()
        all_logits, all_quality = network.mask_decoder(embedding, position, sparse, dense, not has_single_mask(network))
    assert logits.shape[:2] == quality.shape == (1, 1)
    assert torch.equal(logits, all_logits[:, :1])
    assert torch.equal(quality, all_quality[:, :1])
    assert sparse.shape[:2] == (1, 0)
