"""Shapes, signatures and rules of the embedded network."""

from __future__ import annotations

import copy
import inspect
import math

import pytest
import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam
from torch.nn import functional

from server.segmentation.networks.decoding.surroundings import PromptTensors
from server.segmentation.networks.embedded import EmbeddedSam, build_embedded_sam
from server.segmentation.networks.embedded.mask_decoder import _describe
from server.segmentation.networks.embedded.prompt_encoder import PromptMaps


def click(*xy: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([[xy]], dtype=torch.float32), torch.ones(1, 1, dtype=torch.int64)


def decode(
    network: EmbeddedSam, embeddings: torch.Tensor, points: object, *, multimask_output: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    sparse, dense = network.prompt_encoder(points, None, None)
    return network.mask_decoder(
        image_embeddings=embeddings,
        image_pe=network.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask_output,
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (EmbeddedSam.preprocess, Sam.preprocess),
        (EmbeddedSam.postprocess_masks, Sam.postprocess_masks),
        (build_embedded_sam(64).prompt_encoder.forward, PromptEncoder.forward),
        (build_embedded_sam(64).mask_decoder.forward, MaskDecoder.forward),
    ],
)
def test_parameters_are_named_as_in_sam(ours: object, theirs: object) -> None:
    assert [name for name in inspect.signature(ours).parameters if name != "self"] == [
        name for name in inspect.signature(theirs).parameters if name != "self"
    ]


@pytest.mark.parametrize("size", [64, 128, 192])
def test_every_size_works_with_the_same_weights(untrained: EmbeddedSam, size: int) -> None:
    network = build_embedded_sam(size).eval()
    network.load_state_dict(untrained.state_dict())
    with torch.no_grad():
        embeddings = network.image_encoder(torch.randn(1, 3, size, size))
        masks, quality = decode(network, embeddings, click(size / 2, size / 3))
    assert embeddings.shape == (1, 256, size // 8, size // 8)
    assert masks.shape == (1, 3, size // 2, size // 2)
    assert quality.shape == (1, 3)
    assert ((quality >= 0) & (quality <= 1)).all()


def test_set_input_size_moves_the_maps_along() -> None:
    network = build_embedded_sam(128)
    network.set_input_size(64)
    assert network.image_encoder.img_size == 64
    assert network.prompt_encoder.mask_input_size == (32, 32)
    assert network.prompt_encoder.get_dense_pe().shape[2:] == (8, 8)


def test_single_mask_is_the_one_with_the_highest_predicted_iou(untrained: EmbeddedSam) -> None:
    embeddings = untrained.image_encoder(torch.randn(1, 3, 128, 128))
    masks, quality = decode(untrained, embeddings, click(40, 50))
    one, its_quality = decode(untrained, embeddings, click(40, 50), multimask_output=False)
    assert one.shape == (1, 1, 64, 64)
    torch.testing.assert_close(one[0, 0], masks[0, quality[0].argmax()])
    assert its_quality[0, 0] == quality.max()


def test_a_prompt_answers_the_same_alone_and_in_a_batch(untrained: EmbeddedSam) -> None:
    embeddings = untrained.image_encoder(torch.randn(1, 3, 128, 128))
    coords = torch.tensor([[[20.0, 30.0]], [[90.0, 64.0]], [[5.0, 120.0]]])
    together, _ = decode(untrained, embeddings, (coords, torch.ones(3, 1, dtype=torch.int64)))
    alone, _ = decode(untrained, embeddings, (coords[1:2], torch.ones(1, 1, dtype=torch.int64)))
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


def test_one_image_per_prompt_equals_one_shared_image(untrained: EmbeddedSam) -> None:
    embeddings = untrained.image_encoder(torch.randn(1, 3, 128, 128))
    points = (torch.tensor([[[20.0, 30.0]], [[90.0, 64.0]]]), torch.ones(2, 1, dtype=torch.int64))
    shared, _ = decode(untrained, embeddings, points)
    repeated, _ = decode(untrained, embeddings.expand(2, -1, -1, -1), points)
    torch.testing.assert_close(shared, repeated, rtol=1e-4, atol=1e-4)


def test_preprocess_pads_after_normalising(untrained: EmbeddedSam) -> None:
    white = torch.full((1, 3, 100, 128), 255.0)
    ready = untrained.preprocess(white)
    assert ready.shape == (1, 3, 128, 128)
    assert (ready[:, :, 100:] == 0).all()
    assert ready[0, 0, 0, 0] == pytest.approx((255 - 123.675) / 58.395)


def test_postprocess_equals_sams(untrained: EmbeddedSam) -> None:
    logits = torch.randn(2, 3, 64, 64)
    upsampled = functional.interpolate(logits, (128, 128), mode="bilinear", align_corners=False)[..., :96, :128]
    expected = functional.interpolate(upsampled, (75, 100), mode="bilinear", align_corners=False)
    torch.testing.assert_close(untrained.postprocess_masks(logits, (96, 128), (75, 100)), expected)


def test_it_stays_small() -> None:
    n_parameters = sum(parameter.numel() for parameter in build_embedded_sam(64).parameters())
    assert 2 * n_parameters < 16e6


def test_the_two_stages_give_what_one_call_gives(untrained: EmbeddedSam) -> None:
    decoder = untrained.mask_decoder
    points = (torch.tensor([[[20.0, 30.0]], [[90.0, 70.0]], [[5.0, 120.0]]]), torch.ones(3, 1))
    with torch.no_grad():
        embeddings = untrained.image_encoder(torch.randn(1, 3, 128, 128))
        masks, quality = decode(untrained, embeddings, points)
        rated, features = decoder.rate(embeddings, untrained.prompt_encoder(points, None, None)[1])
        second_only = decoder.draw(embeddings, features[1:2])
    torch.testing.assert_close(rated, quality)
    torch.testing.assert_close(second_only, masks[1:2])


@pytest.mark.parametrize(
    ("points", "box", "is_preferred"),
    [
        (([[40.0, 50.0]], [1]), None, True),
        (([[40.0, 50.0], [60.0, 50.0]], [1, 1]), None, True),
        (([[40.0, 50.0], [60.0, 50.0]], [1, 0]), None, False),
        (([[40.0, 50.0]], [1]), [30.0, 30.0, 90.0, 80.0], False),
        (None, [30.0, 30.0, 90.0, 80.0], False),
    ],
)
def test_larger_extents_are_preferred_where_clicks_alone_leave_in_doubt_what_is_meant(
    untrained: EmbeddedSam,
    points: tuple[list[list[float]], list[int]] | None,
    box: list[float] | None,
    is_preferred: bool,
) -> None:
    network = copy.deepcopy(untrained)
    embeddings = network.image_encoder(torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)))
    clicks = None if points is None else (torch.tensor([points[0]]), torch.tensor([points[1]]))
    boxes = None if box is None else torch.tensor([box])
    _, dense = network.prompt_encoder(clicks, boxes, None)
    before, _ = network.mask_decoder.rate(embeddings, dense)
    odds = torch.tensor([0.5, 0.0, -0.5])
    network.mask_decoder.quality_shift.add_(odds)
    after, _ = network.mask_decoder.rate(embeddings, dense)
    moved = torch.logit(after) - torch.logit(before)
    assert torch.allclose(moved[0], odds if is_preferred else torch.zeros(3), atol=1e-4)
    # A single mask is chosen as if nothing were preferred, and prompts that are not drawn yet are judged alike.
    leave_doubt = PromptMaps.split(dense).leave_doubt()
    assert network.mask_decoder.choose_single(after, leave_doubt) == before.argmax()
    assert torch.equal(PromptTensors(clicks, boxes, None).leave_doubt(), leave_doubt)


def test_masks_are_rated_by_their_extents() -> None:
    """A sketch of the left half, one of the left quarter, and an uncertain one of everything, on 4 x 4 cells."""
    cells = torch.full((1, 3, 4, 4, 4), -20.0)
    cells[:, 0, :, :, :2] = 20
    cells[:, 1, :, :, :1] = 20
    cells[:, 2] = 0.5  # 0.62 of each cell; between the two borders of the stability score
    clicked = _describe(cells.reshape(1, 12, 4, 4), torch.tensor([True]))
    half, quarter, everything = clicked[0]
    assert half[[0, 11, 12]].tolist() == pytest.approx([1, 1, 0])  # certain, stable, extent not said
    assert half[1] == pytest.approx(math.log(0.5) / 10)
    assert half[2:5].tolist() == [1, 0, 0]
    assert half[5:8].tolist() == pytest.approx([0.5, 0.5, math.log(0.5) / 3])  # beside the quarter
    assert quarter[8:11].tolist() == pytest.approx([0.5, 1, math.log(2) / 3])  # beside the half, in which it lies
    share = 1 / (1 + math.exp(-0.5))
    assert half[8:11].tolist() == pytest.approx([share / (1 + share), share, math.log(2 * share) / 3])
    assert everything[[0, 11]].tolist() == pytest.approx([2 * share - 1, 0])
    boxed = _describe(cells.reshape(1, 12, 4, 4), torch.tensor([False]))
    assert (boxed[..., :-1] == clicked[..., :-1]).all()
    assert (boxed[..., -1] == 1).all()


def test_empty_sketches_are_rated_too() -> None:
    assert torch.isfinite(_describe(torch.full((2, 12, 4, 4), -1000.0), torch.tensor([True, False]))).all()
