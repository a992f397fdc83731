"""Small boxes are asked with their surroundings: the answer is that of a network that sees nothing else."""

from __future__ import annotations

import pytest
import torch

from server.segmentation.batch_prompts.decoding import start_decoder
from server.segmentation.networks.decoding.surroundings import NOWHERE, PromptTensors
from server.segmentation.networks.embedded import build_embedded_sam

INPUT_PX = 320
# The first two are small, in the middle and in the lower right corner; the third is large.
BOXES = torch.tensor([[100.0, 110, 150, 190], [250, 260, 310, 300], [40, 20, 260, 150]])
# Where the surroundings of the small ones begin: their middles lie nearest to the middle of these 256 pixels.
STARTS = [(0, 32), (64, 64)]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return build_embedded_sam(INPUT_PX).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def embedding(network):
    with torch.inference_mode():
        return network.image_encoder(torch.rand(1, 3, INPUT_PX, INPUT_PX))


def ask_plainly(network, embedding, prompts):
    sparse, dense = network.prompt_encoder(prompts.points, prompts.boxes, prompts.masks)
    return network.mask_decoder(embedding, network.prompt_encoder.get_dense_pe(), sparse, dense, True)


@pytest.mark.parametrize("parts", [("box",), ("box", "point"), ("box", "mask")])
def test_small_boxes_see_their_surroundings_and_large_ones_everything(parts, network, embedding):
    masks = torch.randn(3, 1, INPUT_PX // 2, INPUT_PX // 2)
    middles = ((BOXES[:, :2] + BOXES[:, 2:]) / 2)[:, None]
    prompts = PromptTensors(
        (middles, torch.ones(3, 1)) if "point" in parts else None, BOXES, masks if "mask" in parts else None
    )
    with torch.inference_mode():
        low, quality = start_decoder(network, embedding).decode(prompts, multimask=True)
        whole = ask_plainly(network, embedding, prompts.select(torch.tensor([2])))
        torch.testing.assert_close((low[2:], quality[2:]), whole, atol=1e-4, rtol=0)
        for number, (x, y) in enumerate(STARTS):
            rows, cols = slice(y // 2, y // 2 + 128), slice(x // 2, x // 2 + 128)
            network.set_input_size(256)
            moved = PromptTensors(
                (middles[[number]] - torch.tensor([x, y]), torch.ones(1, 1)) if "point" in parts else None,
                BOXES[[number]] - torch.tensor([x, y, x, y]),
                masks[[number]][..., rows, cols] if "mask" in parts else None,
            )
            part = embedding[..., y // 8 : y // 8 + 32, x // 8 : x // 8 + 32]
            expected = ask_plainly(network, part, moved)
            network.set_input_size(INPUT_PX)
            found = low[[number]][..., rows, cols], quality[[number]]
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
            outside = torch.ones_like(low[number], dtype=torch.bool)
            outside[:, rows, cols] = False
            assert (low[number][outside] == NOWHERE).all()


def test_one_mask_is_the_best_rated(network, embedding):
    prompts = PromptTensors(None, BOXES, None)
    with torch.inference_mode():
        decoder = start_decoder(network, embedding)
        low, quality = decoder.decode(prompts, multimask=True)
        single, rating = decoder.decode(prompts, multimask=False)
    assert torch.equal(rating[:, 0], quality.amax(dim=1))
    assert torch.equal(single[:, 0], low[torch.arange(3), quality.argmax(dim=1)])
