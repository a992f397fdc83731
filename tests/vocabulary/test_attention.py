"""The changed last block of a CLIP image tower against slow code written from its formulas, and against open_clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from open_clip.transformer import VisionTransformer
from torch import nn
from torch.nn import functional

from server.vocabulary.attention import attend, run_last_block
from server.vocabulary.last_block import LastBlock
from server.vocabulary.patch_features import encode_patches, resize_positions
from tests.vocabulary import reference
from tests.vocabulary.reference import relative_error, row_softmax

WIDTH, N_HEADS = 24, 3
MIXES = {
    LastBlock.SEGEARTH: lambda q, k, v: row_softmax(q, q) + row_softmax(k, k) + row_softmax(v, v),
    LastBlock.VANILLA: lambda q, k, v: row_softmax(q, k),
    LastBlock.MASKCLIP: lambda q, k, v: np.eye(len(v)),
    LastBlock.SCLIP: lambda q, k, v: row_softmax(q, q) + row_softmax(k, k),
    LastBlock.CLEARCLIP: lambda q, k, v: row_softmax(q, q),
}


@pytest.fixture(scope="module")
def tower() -> VisionTransformer:
    torch.manual_seed(0)
    made = VisionTransformer(32, 8, WIDTH, 3, N_HEADS, 4.0, output_dim=10).eval().requires_grad_(False)
    for value in made.parameters():
        value.add_(torch.randn_like(value) * 0.1)
    return made


def numbers(module: nn.Module) -> reference.Weights:
    return {name: value.numpy().astype(np.float64) for name, value in module.state_dict().items()}


def normalise(values: np.ndarray, layer: nn.LayerNorm) -> np.ndarray:
    weights = numbers(layer)
    centred = values - values.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + layer.eps) * weights["weight"] + weights["bias"]


@pytest.mark.parametrize("variant", list(MIXES))
def test_every_variant_is_what_its_formula_says(tower: VisionTransformer, variant: LastBlock) -> None:
    layer = tower.transformer.resblocks[-1].attn
    tokens = torch.randn(2, 9, WIDTH)
    found = attend(layer, tokens, variant)
    for image in range(2):
        expected = reference.attention(tokens[image].double().numpy(), numbers(layer), N_HEADS, MIXES[variant])
        assert relative_error(found[image], expected) < 1e-5


def test_variants_differ(tower: VisionTransformer) -> None:
    images = torch.randn(1, 3, 32, 32)
    seen = [encode_patches(tower, images, variant)[0] for variant in LastBlock]
    assert all(not torch.allclose(a, b, atol=1e-3) for n, a in enumerate(seen) for b in seen[:n])


def test_features_are_those_of_the_formulas(tower: VisionTransformer) -> None:
    """From the last block's input on: LN1, attention, LN, projection; no residual, no feed-forward part."""
    images = torch.randn(1, 3, 32, 32)
    tokens = tower._embeds(images)
    *blocks, last = tower.transformer.resblocks
    for block in blocks:
        tokens = block(tokens)
    attended = reference.attention(
        normalise(tokens[0].double().numpy(), last.ln_1), numbers(last.attn), N_HEADS, MIXES[LastBlock.SEGEARTH]
    )
    expected = normalise(attended, tower.ln_post) @ tower.proj.double().numpy()
    patches, whole = encode_patches(tower, images)
    assert patches.shape == (1, 10, 4, 4)
    assert relative_error(whole[0], expected[0]) < 1e-5
    assert relative_error(patches[0], expected[1:].T.reshape(10, 4, 4)) < 1e-5


def test_the_block_as_trained_gives_the_feature_of_open_clip(tower: VisionTransformer) -> None:
    images = torch.randn(2, 3, 32, 32)
    _, whole = encode_patches(tower, images, LastBlock.VANILLA, ignore_residual=False)
    assert relative_error(whole, tower(images)) < 1e-5


def test_left_out_the_block_gives_its_input(tower: VisionTransformer) -> None:
    block, tokens = tower.transformer.resblocks[-1], torch.randn(1, 5, WIDTH)
    assert run_last_block(block, tokens, LastBlock.XCLIP) is tokens


def test_positions_are_interpolated_for_other_windows(tower: VisionTransformer) -> None:
    patches, whole = encode_patches(tower, torch.randn(1, 3, 24, 48))
    assert (patches.shape, whole.shape) == ((1, 10, 3, 6), (1, 10))
    kept = resize_positions(tower.positional_embedding, (4, 4), (4, 4))
    assert kept is tower.positional_embedding
    resized = resize_positions(tower.positional_embedding, (4, 4), (3, 6))
    assert torch.equal(resized[0], tower.positional_embedding[0])
    column = tower.positional_embedding[1:, 7].reshape(1, 1, 4, 4)
    expected = functional.interpolate(column, size=(3, 6), mode="bicubic").flatten()
    assert torch.allclose(resized[1:, 7], expected, atol=1e-6)
