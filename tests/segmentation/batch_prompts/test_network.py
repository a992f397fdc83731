"""Many prompts at once give the masks that `SamPredictor.predict_torch` gives one by one."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import MaskDecoder as OfficialMaskDecoder

from server.segmentation.batch_prompts import decoding
from server.segmentation.batch_prompts import network as module
from server.segmentation.batch_prompts.filled import fill_corners
from server.segmentation.batch_prompts.network import BatchPredictor
from server.segmentation.batch_prompts.prompts import PromptBatch
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.decoding.surroundings import PromptTensors
from server.segmentation.networks.embedded import build_embedded_sam
from tests.segmentation.parity import make_official_sam

BOXES = np.array([[5.0, 5, 60, 40], [30, 20, 90, 60], [0, 0, 20, 20], [50, 10, 80, 30], [10, 30, 40, 64]])
SIDE = 128
CACHE = EmbeddingCache(2**24)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_embedded_sam(SIDE).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def rgb():
    return np.random.default_rng(0).integers(0, 255, (64, 96, 3)).astype(np.uint8)


@pytest.fixture
def predictor(network, monkeypatch):
    monkeypatch.setattr(module, "PROMPTS_ON_CPU", 2)
    return BatchPredictor(CachingPredictor(network, "random", CACHE), nullcontext)


@pytest.fixture(scope="module")
def plain(network, rgb):
    found = SamPredictor(network)
    found.set_image(rgb)
    return found


def corners_of(boxes):
    return boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]


def ask_one(plain, box, parts, multimask):
    scale = lambda points: plain.transform.apply_coords(points, plain.original_size)  # noqa: E731
    centre = (box[:2] + box[2:]) / 2
    filled = fill_corners(scale(corners_of(box[None])[0])[None] / 2, SIDE // 2)
    masks, quality, _ = plain.predict_torch(
        torch.tensor(scale(centre[None])[None]).float() if "point" in parts else None,
        torch.ones(1, 1) if "point" in parts else None,
        torch.tensor(scale(box.reshape(2, 2)).reshape(1, 4)).float() if "box" in parts else None,
        torch.from_numpy(filled)[:, None] if "mask" in parts else None,
        multimask_output=multimask,
    )
    return masks[0].numpy(), quality[0].tolist()


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("parts", [("box",), ("point",), ("mask",), ("box", "point"), ("box", "point", "mask")])
def test_equal_to_one_by_one(parts, multimask, plain, predictor, rgb):
    centres = (BOXES[:, :2] + BOXES[:, 2:]) / 2
    prompts = PromptBatch(
        BOXES if "box" in parts else None,
        centres if "point" in parts else None,
        corners_of(BOXES) if "mask" in parts else None,
        centres,
    )
    answers = predictor.answer(rgb, prompts, multimask=multimask)
    assert len(answers) == len(BOXES)
    n_found = 0
    for box, records in zip(BOXES, answers, strict=True):
        masks, quality = ask_one(plain, box, parts, multimask)
        expected = [(mask, rating) for mask, rating in zip(masks, quality, strict=True) if mask.any()]
        assert [record.predicted_iou for record in records] == pytest.approx(
            [rating for _, rating in expected], abs=1e-5
        )
        for record, (mask, _) in zip(records, expected, strict=True):
            x, y, width, height = record.bbox_xywh
            drawn = np.zeros_like(mask)
            drawn[y : y + height, x : x + width] = record.mask
            assert (drawn != mask).mean() < 1e-3  # logits next to 0 may fall on either side
            assert record.point_xy == tuple((box[:2] + box[2:]) / 2)
        n_found += len(records)
    assert n_found > 0


def test_other_networks_are_decoded_by_their_own_decoder(predictor, rgb, monkeypatch):
    centres = (BOXES[:, :2] + BOXES[:, 2:]) / 2
    prompts = PromptBatch(BOXES, None, None, centres)
    shared = predictor.answer(rgb, prompts, multimask=True)
    monkeypatch.setattr(decoding, "MaskDecoder", OfficialMaskDecoder)  # the embedded one no longer counts as such
    monkeypatch.setattr(decoding, "OfficialMaskDecoder", type(None))
    plain = predictor.answer(rgb, prompts, multimask=True)
    ratings = [[[record.predicted_iou for record in records] for records in answers] for answers in (shared, plain)]
    np.testing.assert_allclose(ratings[0], ratings[1], atol=1e-5)


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("parts", [("box",), ("point",), ("box", "point"), ("box", "mask")])
def test_official_networks_give_the_logits_of_their_own_decoder(parts, multimask):
    network = make_official_sam(is_sharp=False)  # the other one makes fifty times more of every rounding
    side = network.image_encoder.img_size
    boxes = torch.tensor(BOXES).float() * (side / SIDE)
    low_side = network.prompt_encoder.mask_input_size[0]
    prompts = PromptTensors(
        ((boxes[:, None, :2] + boxes[:, None, 2:]) / 2, torch.ones(len(boxes), 1)) if "point" in parts else None,
        boxes if "box" in parts else None,
        torch.randn(len(boxes), 1, low_side, low_side) if "mask" in parts else None,
    )
    with torch.inference_mode():
        embedding = network.image_encoder(torch.rand(1, 3, side, side))
        found = decoding.start_decoder(network, embedding).decode(prompts, multimask=multimask)
        sparse, dense = network.prompt_encoder(prompts.points, prompts.boxes, prompts.masks)
        dense_pe = network.prompt_encoder.get_dense_pe()
        expected = network.mask_decoder(embedding, dense_pe, sparse, dense, multimask)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
