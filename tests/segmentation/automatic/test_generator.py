"""The generator's records, progress, cache and way to stop, on a real but untrained network."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch

from server.errors import Cancelled
from server.segmentation.automatic.generator import AutomaticMaskGenerator
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.parameters import MaskGeneratorSettings

# An untrained network rates its masks near 0 and leaves no clear edges: everything passes.
OPEN = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 0.95}


def ignore() -> None: ...


def hear(_share: float) -> None: ...


def make(network: Any, check: Any = ignore, **values: float) -> AutomaticMaskGenerator:
    settings = MaskGeneratorSettings.from_mapping({**OPEN, **values})
    return AutomaticMaskGenerator(CachingPredictor(network, "tiny", EmbeddingCache(1 << 24)), settings, check)


@pytest.fixture
def patch() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (96, 128, 3), dtype=np.uint8)


def test_records_fit_together(tiny_sam: Any, patch: np.ndarray) -> None:
    records = make(tiny_sam, crop_n_layers=1).generate(patch, hear)
    assert records
    for record in records:
        x, y, width, height = record.bbox_xywh
        assert record.mask.shape == (height, width)
        assert x >= 0
        assert y >= 0
        assert x + width <= 128
        assert y + height <= 96
        assert record.mask.dtype == np.bool_
        assert record.mask[[0, -1]].any(axis=1).all()
        assert record.mask[:, [0, -1]].any(axis=0).all()
        assert record.area_px == np.count_nonzero(record.mask)
        assert 0 <= record.point_xy[0] < 128
        assert 0 <= record.point_xy[1] < 96


@pytest.mark.parametrize("extra", [{}, {"crop_n_layers": 2}, {"min_mask_region_area": 10}, {"points_per_batch": 1}])
def test_nothing_found_is_an_empty_list(tiny_sam: Any, patch: np.ndarray, extra: dict[str, Any]) -> None:
    assert make(tiny_sam, pred_iou_thresh=1.0, **extra).generate(patch, hear) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 128), (3, 5), (15, 15), (63, 100)])
def test_crop_layers_of_tiny_patches_are_left_out(tiny_sam: Any, shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert make(tiny_sam, crop_n_layers=3, points_per_side=2).generate(rgb, hear)


def test_progress_counts_batches(tiny_sam: Any, patch: np.ndarray) -> None:
    told: list[float] = []
    make(tiny_sam, points_per_batch=5, crop_n_layers=1).generate(patch, told.append)
    assert told == [number / 20 for number in range(20)]  # four batches for the patch and for each of its four crops


def test_a_second_run_does_not_encode_again(tiny_sam: Any, patch: np.ndarray) -> None:
    n_encoded = []
    handle = tiny_sam.image_encoder.register_forward_pre_hook(lambda *_: n_encoded.append(1))
    predictor = CachingPredictor(tiny_sam, "tiny", EmbeddingCache(1 << 24))
    try:
        runs = [
            AutomaticMaskGenerator(predictor, MaskGeneratorSettings.from_mapping({**OPEN, **extra}), ignore)
            for extra in ({"crop_n_layers": 1}, {"crop_n_layers": 1}, {"points_per_side": 5})
        ]
        first, second, _ = [run.generate(patch, hear) for run in runs]
    finally:
        handle.remove()
    assert len(n_encoded) == 5  # the patch and its four crops
    assert [record.bbox_xywh for record in first] == [record.bbox_xywh for record in second]


def test_a_cancelled_run_stops_between_two_layers(tiny_sam: Any, patch: np.ndarray) -> None:
    started = time.monotonic()

    def check() -> None:
        if time.monotonic() > started + 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        make(tiny_sam, check, points_per_side=128, points_per_batch=8).generate(patch, hear)
    assert time.monotonic() < started + 1.5
    assert not any(module._forward_pre_hooks for module in tiny_sam.modules())


def test_the_cache_keeps_the_newest_within_its_limit(tiny_sam: Any) -> None:
    size = 8 * 8 * 32 * 4
    cache = EmbeddingCache(2 * size)
    predictor = CachingPredictor(tiny_sam, "tiny", cache)
    images = [np.full((32, 32, 3), value, dtype=np.uint8) for value in (10, 20, 30)]
    n_encoded = []
    handle = tiny_sam.image_encoder.register_forward_pre_hook(lambda *_: n_encoded.append(1))
    try:
        for index in (0, 1, 0, 2, 0, 1):  # 2 drives out 1, the least recently used
            predictor.set_image(images[index])
            assert cache.n_bytes <= 2 * size
    finally:
        handle.remove()
    assert len(n_encoded) == 4
    assert cache.n_bytes == 2 * size


def test_checkpoints_do_not_share_embeddings(tiny_sam: Any) -> None:
    cache = EmbeddingCache(1 << 24)
    image = np.zeros((32, 32, 3), dtype=np.uint8)
    for name in ("one", "two"):
        CachingPredictor(tiny_sam, name, cache).set_image(image)
    assert cache.n_bytes == 2 * 8 * 8 * 32 * 4


def test_precisions_do_not_share_embeddings(tiny_sam: Any) -> None:
    cache = EmbeddingCache(1 << 24)
    image = np.zeros((32, 32, 3), dtype=np.uint8)
    for precision in ("float32", "bfloat16"):
        predictor = CachingPredictor(tiny_sam, "one", cache, precision)
        predictor.set_image(image)
        assert predictor.get_image_embedding().dtype == torch.float32
    assert cache.n_bytes == 2 * 8 * 8 * 32 * 4


def test_a_cached_image_predicts_the_same(tiny_sam: Any, patch: np.ndarray) -> None:
    predictor = CachingPredictor(tiny_sam, "tiny", EmbeddingCache(1 << 24))
    answers = []
    for image in (patch, patch[:20], patch):
        predictor.set_image(image)
        answers.append(predictor.predict(np.array([[30.0, 15.0]]), np.array([1]), return_logits=True))
    assert answers[0][0].shape == (3, 96, 128)
    for first, second in zip(answers[0], answers[2], strict=True):
        np.testing.assert_array_equal(first, second)


def test_images_encoded_together_are_those_encoded_alone(tiny_sam: Any, patch: np.ndarray) -> None:
    images = [patch, patch[:40], np.ascontiguousarray(patch[:, ::-1])]
    alone, together = (CachingPredictor(tiny_sam, "tiny", EmbeddingCache(0)) for _ in range(2))
    n_encoded: list[int] = []
    handle = tiny_sam.image_encoder.register_forward_pre_hook(lambda _, inputs: n_encoded.append(len(inputs[0])))
    try:
        together.encode_ahead(images)
        for image in images:
            alone.set_image(image)
            together.set_image(image)
            torch.testing.assert_close(together.features, alone.features, rtol=1e-5, atol=1e-5)
            assert (together.original_size, together.input_size) == (alone.original_size, alone.input_size)
    finally:
        handle.remove()
    assert n_encoded == [3, 1, 1, 1]


def test_images_of_the_cache_are_not_encoded_ahead(tiny_sam: Any, patch: np.ndarray) -> None:
    predictor = CachingPredictor(tiny_sam, "tiny", EmbeddingCache(1 << 24))
    predictor.set_image(patch)
    n_encoded: list[int] = []
    handle = tiny_sam.image_encoder.register_forward_pre_hook(lambda _, inputs: n_encoded.append(len(inputs[0])))
    try:
        predictor.encode_ahead([patch])
        predictor.encode_ahead([patch, patch[:40]])
        predictor.set_image(patch[:40])
        predictor.set_image(patch[:40])  # now from the cache
    finally:
        handle.remove()
    assert n_encoded == [1]


def test_images_that_do_not_fit_together_are_encoded_one_by_one(tiny_sam: Any, patch: np.ndarray) -> None:
    predictor = CachingPredictor(tiny_sam, "tiny", EmbeddingCache(0))
    predictor.images_at_once = 4

    def refuse_many(_: object, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > 1:
            raise torch.OutOfMemoryError

    handle = tiny_sam.image_encoder.register_forward_pre_hook(refuse_many)
    try:
        predictor.encode_ahead([patch, patch[:40], patch[:30], patch[:20]])
        predictor.set_image(patch[:40])
    finally:
        handle.remove()
    assert predictor.is_image_set
    assert predictor.images_at_once == 2


def test_nothing_is_kept_without_memory(tiny_sam: Any, patch: np.ndarray) -> None:
    cache = EmbeddingCache(0)
    predictor = CachingPredictor(tiny_sam, "tiny", cache)
    predictor.set_image(patch)
    assert predictor.is_image_set
    assert cache.n_bytes == 0
