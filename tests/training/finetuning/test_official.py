"""An official ViT-B, with random weights: only its decoder learns, and its file is one the SAM package loads."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything import sam_model_registry

from server.errors import BadParameter
from server.segmentation.networks.cards import Card
from server.segmentation.networks.checkpoints import find_class, list_checkpoints
from server.training.finetuning.answering import compute_losses, encode
from server.training.finetuning.embedding_store import EmbeddingStore
from server.training.finetuning.examples import FreshExamples, KeptExamples
from server.training.finetuning.export import check_new_name, choose_file, describe_kind, export
from server.training.finetuning.losses import THIN
from server.training.finetuning.low_rank import merge_low_rank
from server.training.finetuning.prompts import PromptedMasks
from server.training.finetuning.trainable import choose_trainable
from server.training.labelled_images import LabelledImage

SIZE = 1024
MASK = np.zeros((SIZE, SIZE), np.bool_)
MASK[300:500] = True


@pytest.fixture(scope="module")
def vit_b() -> Any:
    torch.manual_seed(0)
    return sam_model_registry["vit_b"]().eval()


class OneView:
    """Stands for all views of a dataset."""

    def show(self, number: int, variant: int, seed: int) -> LabelledImage:
        return LabelledImage(np.full((SIZE, SIZE, 3), 40 * number, np.uint8), MASK.astype(np.int32))


@pytest.mark.parametrize("kind", ["none", "click", "box"])
def test_only_the_decoder_learns(vit_b: Any, kind: str) -> None:
    parts = choose_trainable(vit_b, "decoder", 8, 0)
    vit_b.zero_grad(set_to_none=True)
    prompts = PromptedMasks(
        MASK[None],
        np.ones((SIZE, SIZE), np.bool_),
        clicks=np.array([[[500, 400]]], np.float32) if kind == "click" else None,
        boxes=np.array([[0, 300, 1024, 500]], np.float32) if kind == "box" else None,
    )
    compute_losses(vit_b, torch.randn(1, 256, 64, 64), prompts, THIN).total.backward()
    reached = {name for name, item in vit_b.named_parameters() if item.grad is not None and item.grad.any()}
    assert reached
    assert all(name.startswith("mask_decoder.") for name in reached)
    assert set(parts.parameters) == {name for name, _ in vit_b.named_parameters() if name.startswith("mask_decoder.")}
    assert {"mask_decoder.iou_prediction_head.layers.2.weight", "mask_decoder.mask_tokens.weight"} <= reached


def test_the_encoder_looks_at_a_view_once(vit_b: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def pass_through(images: torch.Tensor) -> torch.Tensor:  # the real one takes ten seconds
        calls.append(images.shape)
        return torch.full((1, 256, 64, 64), float(images.mean()))

    monkeypatch.setattr(vit_b.image_encoder, "forward", pass_through)
    views: Any = OneView()
    for _ in range(2):  # a second run finds what the first one kept
        store = EmbeddingStore(tmp_path / "kept", 1 << 24)
        examples = KeptExamples(FreshExamples(views, partial(encode, vit_b), 0), store, "vit_b")
        for epoch in range(2):
            embeddings = [examples.get(number, 0)[0] for number in range(3)]
            assert len(calls) == 3, epoch
    assert calls == [(1, 3, SIZE, SIZE)] * 3
    assert embeddings[0].mean() < embeddings[1].mean() < embeddings[2].mean()


def test_the_file_is_an_official_one(vit_b: Any, tmp_path: Path) -> None:
    choose_trainable(vit_b, "lora", 4, 0)
    with torch.no_grad():
        vit_b.image_encoder.blocks[0].attn.qkv.parametrizations.weight[0].up.fill_(0.5)
    expected = vit_b.image_encoder.blocks[0].attn.qkv.weight.detach().clone()
    merge_low_rank(vit_b.image_encoder)
    n_parameters = sum(item.numel() for item in vit_b.parameters())
    card = Card(
        name="sidewalks",
        file=choose_file(vit_b, "sidewalks"),
        kind=describe_kind(vit_b),
        base="vit_b",
        class_name="sidewalk",
        parameters=n_parameters,
        input_size=SIZE,
        licence="Apache-2.0",
        data="ten streets",
        metrics={"iou": 0.5},
        note="For a test.",
    )
    path = export(vit_b, card, tmp_path)
    loaded = sam_model_registry["vit_b"](checkpoint=str(path))
    assert torch.equal(loaded.image_encoder.blocks[0].attn.qkv.weight, expected)
    assert torch.equal(loaded.mask_decoder.mask_tokens.weight, vit_b.mask_decoder.mask_tokens.weight)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["sidewalks.json", "sidewalks.pth"]
    listed = list_checkpoints(tmp_path)[-1]
    assert (listed.name, listed.kind, listed.class_name, listed.parameters) == (
        "sidewalks",
        "vit_b",
        "sidewalk",
        93_735_472,
    )
    assert find_class(tmp_path, "sidewalks") == "sidewalk"
    with pytest.raises(BadParameter, match='called "sidewalks" is here already'):
        check_new_name(tmp_path, "sidewalks")


@pytest.mark.parametrize("name", ["", "../mine", ".hidden", "a b", "x" * 65])
def test_odd_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="cannot be the name of a checkpoint"):
        check_new_name(tmp_path, name)


@pytest.mark.parametrize("name", ["embedded", "vit_h", "notes"])
def test_taken_names_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(BadParameter, match="here already"):
        check_new_name(tmp_path, name)
