"""Cards of fine-tuned checkpoints: what is written is listed, and a bad card never breaks the list."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from server.errors import BadParameter
from server.segmentation.networks.cards import Card, read_card, write_card
from server.segmentation.networks.checkpoints import find_class, list_checkpoints

CARD = Card(
    name="roads",
    file="roads.safetensors",
    kind="embedded",
    base="embedded",
    class_name="road",
    parameters=4_000_000,
    input_size=512,
    licence="CC0-1.0",
    data="Straßen",
    metrics={"iou": 0.5},
    note="For a test.",
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / CARD.file
    path.touch()
    return path


def test_a_card_comes_back(weights: Path) -> None:
    path = write_card(CARD, weights.parent)
    assert sorted(item.name for item in weights.parent.iterdir()) == ["roads.json", "roads.safetensors"]
    assert "Straßen" in path.read_text(encoding="utf-8")
    assert read_card(weights) == CARD
    listed = list_checkpoints(weights.parent)[-1]
    assert (listed.name, listed.kind, listed.embedded, listed.class_name) == ("roads", "embedded", False, "road")
    assert find_class(weights.parent, "roads") == "road"


def test_weights_without_a_card_are_listed_without_a_class(weights: Path) -> None:
    listed = list_checkpoints(weights.parent)[-1]
    assert (listed.name, listed.kind, listed.input_size, listed.class_name) == ("roads", "embedded", 512, None)
    with pytest.raises(BadParameter, match=r'"roads" was not fine-tuned for a class.*there is none here yet'):
        find_class(weights.parent, "roads")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"name": 1', json.dumps({**dataclasses.asdict(CARD), "more": 1}), "\xff"]
)
def test_a_bad_card_is_left_out(weights: Path, content: str) -> None:
    weights.with_suffix(".json").write_text(content, encoding="latin-1")
    assert read_card(weights) is None
    assert list_checkpoints(weights.parent)[-1].class_name is None


def test_a_card_of_another_file_is_left_out(weights: Path) -> None:
    write_card(CARD, weights.parent)
    other = weights.with_name("paths.safetensors")
    other.touch()
    weights.with_suffix(".json").rename(other.with_suffix(".json"))
    assert read_card(other) is None


def test_others_with_a_class_are_named(weights: Path) -> None:
    write_card(CARD, weights.parent)
    (weights.parent / "mine.pth").touch()
    with pytest.raises(BadParameter, match="those here are roads"):
        find_class(weights.parent, "mine")
