"""The lean attention gives the package's own numbers and gradients, with less memory and the same weights."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import Attention
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from server.segmentation.networks import image_encoding
from server.segmentation.networks.image_encoding import use_lean_attention

HEADS, SIDE = 12, 32
SCORES = HEADS * SIDE**4


def make_encoder(**changes: Any) -> ImageEncoderViT:
    """Make a small encoder: 6 x 6 tokens, windows of 4 (so two rows of padding), the second block global."""
    settings: dict[str, Any] = {"img_size": 96, "embed_dim": 24, "depth": 3, "num_heads": 3, "out_chans": 8}
    settings |= {"use_rel_pos": True, "window_size": 4, "global_attn_indexes": (1,)}
    torch.manual_seed(0)
    encoder = ImageEncoderViT(norm_layer=partial(nn.LayerNorm, eps=1e-6), **settings | changes)
    for name, weight in encoder.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            nn.init.normal_(weight)
    return encoder


def make_attention(side: int = SIDE) -> Attention:
    """Make the attention of a global ViT-B block, for a quarter of its tokens."""
    torch.manual_seed(0)
    attention = Attention(768, HEADS, use_rel_pos=True, input_size=(side, side))
    nn.init.normal_(attention.rel_pos_h, std=0.5)
    nn.init.normal_(attention.rel_pos_w, std=0.5)
    return attention


def lean(network: nn.Module) -> Any:
    """Return a copy of an encoder, or of one attention, that attends the lean way."""
    changed = copy.deepcopy(network)
    if isinstance(changed, Attention):
        use_lean_attention(_as_encoder(changed))
    else:
        use_lean_attention(changed)
    return changed


def _as_encoder(attention: Attention) -> nn.Module:
    block, encoder = nn.Module(), nn.Module()
    block.attn = attention
    encoder.blocks = nn.ModuleList([block])
    return encoder


def difference(answer: Tensor, expected: Tensor) -> float:
    assert expected.isfinite().all()
    assert expected.std() > 0
    return float((answer - expected).norm() / expected.norm())


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **kwargs or {})
        for item in answer if isinstance(answer, (tuple, list)) else (answer,):
            if isinstance(item, Tensor):
                self.elements = max(self.elements, item.numel())
        return answer


@pytest.mark.parametrize("limit", [1, 150, 2**20])
@pytest.mark.parametrize("changes", [{}, {"use_rel_pos": False}, {"qkv_bias": False}, {"global_attn_indexes": (0, 2)}])
def test_the_encoder_gives_the_packages_own_embedding(
    changes: dict[str, Any], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_encoding, "CPU_SCORES_PER_THREAD", limit)
    encoder = make_encoder(**changes).eval()
    images = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert difference(lean(encoder)(images), encoder(images)) < 1e-5


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])
def test_tables_of_another_size_are_interpolated_as_in_the_package(shape: tuple[int, int]) -> None:
    attention = make_attention(side=4).eval()
    tokens = torch.randn(2, *shape, 768)
    with torch.inference_mode():
        assert difference(lean(attention)(tokens), attention(tokens)) < 1e-5


def test_a_global_block_never_holds_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    attention = make_attention().eval()
    changed = lean(attention)
    tokens = torch.randn(1, SIDE, SIDE, 768)
    with torch.inference_mode():
        with LargestTensor() as package:
            expected = attention(tokens)
        with LargestTensor() as ours:
            answer = changed(tokens)
    assert difference(answer, expected) < 1e-5
    assert package.elements == SCORES
    assert ours.elements <= SCORES // 3


@pytest.mark.parametrize("frozen", [False, True])
def test_gradients_are_the_packages_own(frozen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_encoding, "CPU_SCORES_PER_THREAD", 150)
    encoder = make_encoder()
    for name, weight in encoder.named_parameters():
        weight.requires_grad_(not frozen or "rel_pos" in name)
    changed = lean(encoder)
    images, slope = torch.randn(2, 3, 96, 96), torch.randn(2, 8, 6, 6)
    for network in (encoder, changed):
        network(images).mul(slope).sum().backward()
    compared = 0
    for (name, weight), ours in zip(encoder.named_parameters(), changed.parameters(), strict=True):
        if weight.requires_grad:
            assert ours.grad is not None, name
            largest = float(weight.grad.abs().max())
            torch.testing.assert_close(ours.grad, weight.grad, rtol=1e-3, atol=1e-4 * largest)
            compared += 1
    assert compared == (6 if frozen else len(list(encoder.parameters())))


def test_training_keeps_no_scores() -> None:
    attention = make_attention()
    tokens = torch.randn(1, SIDE, SIDE, 768)
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        return tensor

    for network, keeps_scores in ((attention, True), (lean(attention), False)):
        kept.clear()
        with saved_tensors_hooks(note, lambda tensor: tensor):
            output = network(tokens)
        assert output.requires_grad
        assert (sum(kept.values()) > SCORES) == keeps_scores


def test_weights_copies_and_moves_are_those_of_the_package() -> None:
    encoder = make_encoder().eval()
    changed = lean(encoder)
    assert str(changed) == str(encoder)
    assert changed.state_dict().keys() == encoder.state_dict().keys()
    images = torch.randn(1, 3, 96, 96)
    twin = copy.deepcopy(changed).double()
    with torch.inference_mode():
        assert difference(twin(images.double()).float(), encoder(images)) < 1e-5
        for weight in twin.parameters():
            weight.mul_(1.5)
        twin.float()
        encoder.load_state_dict(twin.state_dict())
        assert difference(twin(images), encoder(images)) < 1e-5
        assert difference(changed(images), encoder(images)) > 1e-2


@pytest.mark.parametrize("short", [torch.bfloat16, torch.float16])
def test_shorter_numbers_cost_no_more_precision_than_in_the_package(short: torch.dtype) -> None:
    encoder = make_encoder().eval()
    images = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        exact = encoder(images)
        with torch.autocast("cpu", dtype=short):
            answer, package = lean(encoder)(images), encoder(images)
    assert answer.dtype == package.dtype
    assert 0 < difference(answer.float(), exact) < 1.5 * difference(package.float(), exact)
