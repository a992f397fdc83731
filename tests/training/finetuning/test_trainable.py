"""Gradients reach only what is to be trained, and low-rank additions leave plain weights behind."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from server.segmentation.networks.embedded import EmbeddedSam, build_embedded_sam
from server.training.finetuning.answering import compute_losses, encode
from server.training.finetuning.losses import USUAL
from server.training.finetuning.low_rank import merge_low_rank
from server.training.finetuning.prompts import PromptedMasks
from server.training.finetuning.settings import Trained
from server.training.finetuning.trainable import choose_trainable

RGB = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
PROMPTS = PromptedMasks(np.arange(64 * 64).reshape(1, 64, 64) % 7 < 3, np.ones((64, 64), np.bool_))


def reached_by_gradients(network: EmbeddedSam) -> set[str]:
    compute_losses(network, encode(network, RGB), PROMPTS, USUAL).total.backward()
    return {
        name.split(".")[0] for name, item in network.named_parameters() if item.grad is not None and item.grad.any()
    }


@pytest.mark.parametrize("trained", get_args(Trained))
def test_gradients_reach_what_is_trained(untrained: EmbeddedSam, trained: Trained) -> None:
    parts = choose_trainable(untrained, trained, 2, 0)
    expected = {
        "decoder": {"mask_decoder"},
        "lora": {"mask_decoder", "image_encoder"},
        "everything": {"mask_decoder", "image_encoder", "prompt_encoder"},
    }
    assert reached_by_gradients(untrained) == expected[trained]
    names = {name for name in parts.parameters if name.startswith("image_encoder")}
    if trained == "lora":
        assert {name.rpartition(".")[2] for name in names} == {"down", "up"}
        assert all("qkv" in name for name in names)
    with_gradient = {name for name, item in untrained.named_parameters() if item.grad is not None}
    assert with_gradient <= set(parts.parameters)


def test_additions_begin_as_nothing_and_merge_into_plain_weights(untrained: EmbeddedSam) -> None:
    before = encode(untrained, RGB)
    names = list(untrained.state_dict())
    parts = choose_trainable(untrained, "lora", 2, 0)
    torch.testing.assert_close(encode(untrained, RGB), before, rtol=0, atol=0)
    with torch.no_grad():
        for name, parameter in parts.parameters.items():
            if name.endswith("up"):
                parameter.normal_(std=0.1)
        added = encode(untrained, RGB)
        assert not torch.allclose(added, before, atol=1e-3)
        merge_low_rank(untrained.image_encoder)
        torch.testing.assert_close(encode(untrained, RGB), added, rtol=1e-5, atol=1e-5)
        plain = build_embedded_sam(64).eval()
        plain.load_state_dict(untrained.state_dict())
        torch.testing.assert_close(encode(plain, RGB), added, rtol=1e-5, atol=1e-5)
    assert sorted(untrained.state_dict()) == sorted(names)


def test_earlier_values_come_back(untrained: EmbeddedSam) -> None:
    parts = choose_trainable(untrained, "decoder", 2, 0)
    values = parts.copy()
    with torch.no_grad():
        untrained.mask_decoder.image.weight.zero_()
    parts.restore(values)
    assert torch.equal(untrained.mask_decoder.image.weight, values["mask_decoder.image.weight"])
    assert untrained.mask_decoder.image.weight.any()
