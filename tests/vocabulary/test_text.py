"""Class lists as users write them, and the vectors that sentences about a word make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from open_clip import OPENAI_IMAGENET_TEMPLATES

from server.errors import BadParameter
from server.vocabulary.class_list import ClassList, parse_classes
from server.vocabulary.presets import PRESETS
from server.vocabulary.settings import VocabularySettings
from server.vocabulary.text import TEMPLATES, WordVectors
from tests.vocabulary import reference
from tests.vocabulary.reference import relative_error


class CountingEncoder:
    """Sentences become numbers by their letters."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[Sequence[str]] = []

    def encode_text(self, sentences: Sequence[str]) -> torch.Tensor:
        self.asked.append(sentences)
        seeds = [sum(ord(letter) * (place + 1) for place, letter in enumerate(sentence)) for sentence in sentences]
        rows = [np.random.default_rng(seed + len(self.name)).normal(size=6) for seed in seeds]
        return torch.tensor(np.array(rows), dtype=torch.float32)


def test_the_templates_are_those_of_clip() -> None:
    assert [filled.format("river") for filled in TEMPLATES] == [write("river") for write in OPENAI_IMAGENET_TEMPLATES]
    assert len(set(TEMPLATES)) == 80


def test_a_word_is_the_mean_of_its_sentences() -> None:
    encoder = CountingEncoder("clip")
    found = WordVectors().embed(encoder, "tree")
    sentences = encoder.encode_text([filled.replace("{}", "tree") for filled in TEMPLATES]).double().numpy()
    expected = reference.unit(np.mean([reference.unit(row) for row in sentences], axis=0))
    assert relative_error(found, expected) < 1e-5


def test_words_are_embedded_once_per_model() -> None:
    vectors, first, second = WordVectors(), CountingEncoder("a"), CountingEncoder("bb")
    classes = parse_classes("building,roof\ntree")
    queries = vectors.make_queries(first, classes)
    assert torch.equal(vectors.make_queries(first, classes).vectors, queries.vectors)
    assert len(first.asked) == 3
    assert not torch.allclose(vectors.make_queries(second, classes).vectors, queries.vectors)
    assert queries.class_of == (0, 0, 1)
    assert torch.allclose(queries.vectors.norm(dim=1), torch.ones(3))


def test_a_list_is_one_class_per_line() -> None:
    classes = parse_classes("background\n building, roof ,house\r\n\n水体,water\n")
    assert classes == ClassList((("background",), ("building", "roof", "house"), ("水体", "water")))
    assert classes.names == ("background", "building", "水体")
    assert classes.words[3] == "house"
    assert classes.class_of == (0, 1, 1, 1, 2, 2)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "0 classes"),
        ("tree,,wood", "no name"),
        ("tree\nforest,tree", '"tree" was given twice'),
        ("x" * 81, "longer than 80"),
        ("\n".join(map(str, range(255))), "255 classes"),
    ],
)
def test_lists_that_cannot_be_meant_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadParameter, match=complaint):
        parse_classes(text)


def test_presets_fit_their_lists() -> None:
    for preset in PRESETS.values():
        settings = preset.adapt(VocabularySettings())
        assert (settings.prob_thd, settings.bg_idx) == (preset.prob_thd, preset.bg_idx)
        words = preset.classes.synonyms[preset.bg_idx]
        assert any(word in ("background", "other", "clutter") for word in words)
    assert PRESETS["xbd"].adapt(VocabularySettings()).global_bias == 0
    assert len(PRESETS["isaid"].classes.names) == 16
