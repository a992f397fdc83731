"""Features of a real encoder: over the patch alone, the same in every part of it that the network sees alike."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.embedded import build_embedded_sam
from server.segmentation.similar.network import SharedFeatureNetwork


@pytest.fixture(scope="module")
def network() -> SharedFeatureNetwork:
    torch.manual_seed(0)
    return SharedFeatureNetwork(
        CachingPredictor(build_embedded_sam(128).eval(), "test", EmbeddingCache(0)), nullcontext
    )


@pytest.mark.parametrize(("height", "width"), [(128, 128), (64, 128), (40, 24)])
def test_features_cover_the_patch_and_nothing_else(network, height, width):
    rgb = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    features = network.encode(rgb)
    assert features.shape == (network.n_channels, height // 8, width // 8)
    assert features.std() > 0


def test_different_ground_has_different_features(network):
    rgb = np.full((128, 128, 3), 60, np.uint8)
    rgb[:, 64:] = (200, 120, 90)
    features = network.encode(rgb)
    left, right = features[:, 8, 3], features[:, 8, 12]
    assert np.linalg.norm(left - right) > 0.1 * np.linalg.norm(left)
