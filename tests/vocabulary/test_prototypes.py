"""Classes by example: pooling, clusters, and whole maps with a real encoder of random weights."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.nn import functional

from server.errors import BadParameter
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.embedded import build_embedded_sam
from server.vocabulary.backbones import DenseFeatures
from server.vocabulary.encoder_backbone import EncoderBackbone
from server.vocabulary.head import choose_classes, find_probabilities
from server.vocabulary.logits import Looker
from server.vocabulary.prototypes import (
    Example,
    PrototypeSettings,
    cluster_directions,
    make_prototypes,
    read_marked,
    settings_by_example,
)
from server.vocabulary.settings import VocabularySettings
from server.vocabulary.upsampler import SharedStageUpsampler


@pytest.fixture(scope="module")
def encoder() -> EncoderBackbone:
    torch.manual_seed(0)
    return EncoderBackbone(CachingPredictor(build_embedded_sam(128).eval(), "test", EmbeddingCache(0)), nullcontext)


def make_seen(n_channels: int = 6) -> DenseFeatures:
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(n_channels, 3, 5, generator=generator)
    return DenseFeatures(patches, patches.mean((1, 2)), torch.randn(3, 12, 20, generator=generator), 1, 2)


def test_features_of_marked_pixels_are_those_of_an_enlarged_map() -> None:
    seen = make_seen()
    marks = np.zeros((10, 16), np.uint8)
    marks[[0, 4, 9], [15, 3, 8]] = (2, 1, 1)
    found, features = read_marked(seen, marks, None)
    fine = functional.interpolate(seen.patches[None], size=(12, 20), mode="bilinear")[0]
    assert found.tolist() == [2, 1, 1]
    torch.testing.assert_close(features, fine[:, [1, 5, 10], [17, 5, 10]].mT, rtol=1e-4, atol=1e-5)


def test_with_an_upsampler_they_are_those_of_its_map() -> None:
    seen = make_seen()
    upsampler = SharedStageUpsampler(6, n_stages=2).eval()
    marks = (np.random.default_rng(0).random((10, 16)) < 0.2).astype(np.uint8)
    _, features = read_marked(seen, marks, upsampler)
    with torch.inference_mode():
        fine = upsampler(seen.patches[None], seen.picture[None])[0]
    rows, cols = np.nonzero(marks)
    assert torch.equal(features, fine[:, rows + 1, cols + 2].mT)


def test_one_prototype_is_the_mean_of_normalised_features() -> None:
    features = torch.randn(20, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 21)[:, None]
    expected = functional.normalize(features, dim=1).mean(0)
    torch.testing.assert_close(cluster_directions(features, 1)[0], expected / expected.norm())


def test_clusters_are_the_planted_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    planted = torch.linalg.qr(torch.randn(8, 8, generator=generator))[0][:3]
    features = planted.repeat_interleave(30, 0) + torch.randn(90, 8, generator=generator) * 0.05
    found = cluster_directions(features, 3)
    likeness = found @ planted.T
    assert sorted(likeness.argmax(dim=1).tolist()) == [0, 1, 2]
    assert (likeness.max(dim=1).values > 0.99).all()
    assert torch.equal(found, cluster_directions(features, 3))
    assert len(cluster_directions(planted[:2].repeat(5, 1), 4)) == 2


def halves(left: tuple[int, int, int], right: tuple[int, int, int], size: int = 128) -> np.ndarray:
    noise = np.random.default_rng(0).integers(-12, 12, (size, size, 3))
    rgb = np.empty((size, size, 3), int)
    rgb[:, : size // 2], rgb[:, size // 2 :] = left, right
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("per_class", "global_bias"), [(1, 0.0), (3, -0.3)])
def test_two_clicks_per_class_find_both_halves(encoder: EncoderBackbone, per_class: int, global_bias: float) -> None:
    rgb = halves((60, 70, 50), (190, 160, 130))
    marks = np.zeros(rgb.shape[:2], np.uint8)
    marks[[30, 90], [30, 20]] = 1
    marks[[40, 100], [100, 110]] = 2
    queries = make_prototypes(encoder, [Example(rgb, marks)], ("grass", "sand"), PrototypeSettings(per_class))
    assert len(queries.class_of) == 2 * min(per_class, 2)
    settings = VocabularySettings(long_side=None, window=96, stride=64, global_bias=global_bias)
    logits = Looker(encoder, queries, settings).find(rgb)
    found = choose_classes(find_probabilities(logits, queries.class_of), settings).classes
    truth = (np.arange(128) >= 64).astype(np.uint8)[None].repeat(128, 0)
    assert (found == truth).mean() > 0.93


def test_examples_may_come_from_several_pictures(encoder: EncoderBackbone) -> None:
    dark, bright = halves((60, 70, 50), (60, 70, 50), 64), halves((190, 160, 130), (190, 160, 130), 40)
    examples = [Example(rgb, np.full(rgb.shape[:2], number + 1, np.uint8)) for number, rgb in enumerate([dark, bright])]
    queries = make_prototypes(encoder, examples, ("grass", "sand"), PrototypeSettings())
    assert queries.centre is not None
    assert queries.vectors.shape == (2, 256)
    assert float(queries.vectors[0] @ queries.vectors[1]) < -0.9


def test_a_class_without_example_is_named(encoder: EncoderBackbone) -> None:
    marks = np.zeros((64, 64), np.uint8)
    marks[5, 5] = 1
    with pytest.raises(BadParameter, match="No example was given of: road, water"):
        make_prototypes(
            encoder, [Example(halves((1, 2, 3), (4, 5, 6), 64), marks)], ("tree", "road", "water"), PrototypeSettings()
        )
    with pytest.raises(BadParameter, match="per_class"):
        PrototypeSettings(per_class=0)


@pytest.mark.parametrize("shape", [(128, 128), (64, 100), (17, 9)])
def test_an_encoder_sees_whole_cells(encoder: EncoderBackbone, shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    seen = encoder.encode(rgb)
    rows, cols = (-(-side // 8) for side in shape)
    assert (encoder.stride, encoder.max_size, encoder.n_channels) == (8, 128, 256)
    assert (seen.patches.shape, seen.picture.shape) == ((256, rows, cols), (3, rows * 8, cols * 8))
    assert not seen.patches.is_inference()
    pixel = (rgb[3, 4] - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    assert seen.picture[:, 3, 4].numpy() == pytest.approx(pixel, rel=1e-4)


def test_windows_by_example_are_as_large_as_the_encoder_takes(encoder: EncoderBackbone) -> None:
    settings = settings_by_example(encoder)
    assert (settings.window, settings.stride, settings.long_side, settings.global_bias) == (128, 96, None, 0.0)
