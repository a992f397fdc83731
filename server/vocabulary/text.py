"""Turns words into query vectors: each word in many sentences, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from server.vocabulary.class_list import ClassList
from server.vocabulary.logits import Queries

# The sentences that OpenAI used with CLIP for ImageNet (github.com/openai/CLIP, "Prompt Engineering for ImageNet").
TEMPLATES = (
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "a photo of a {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a plushie {}.",
    "a photo of the nice {}.",
    "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.",
    "art of the {}.",
    "a drawing of the {}.",
    "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.",
    "a dark photo of a {}.",
    "itap of a {}.",
    "graffiti of the {}.",
    "a toy {}.",
    "itap of my {}.",
    "a photo of a cool {}.",
    "a photo of a small {}.",
    "a tattoo of the {}.",
)


class TextEncoder(Protocol):
    """What turns sentences into features of the space in which pictures are compared with them.

    Attributes:
        name: of the model; equal names mean equal weights.
    """

    name: str

    def encode_text(self, sentences: Sequence[str]) -> Tensor:
        """Return float32 (N, C), not normalised."""
        ...


class WordVectors:
    """Remembers the vector of every word per model; safe to share by threads."""

    def __init__(self) -> None:
        self._vectors: dict[tuple[str, str], Tensor] = {}
        self._lock = Lock()

    def embed(self, encoder: TextEncoder, word: str) -> Tensor:
        """Return float32 (C,) of length 1: the mean of the word's normalised sentences, normalised again."""
        with self._lock:
            key = encoder.name, word
            if key not in self._vectors:
                self._vectors[key] = average_sentences(
                    encoder.encode_text([filled.format(word) for filled in TEMPLATES])
                )
            return self._vectors[key]

    def make_queries(self, encoder: TextEncoder, classes: ClassList) -> Queries:
        """Return one query per word of `classes`."""
        return Queries(torch.stack([self.embed(encoder, word) for word in classes.words]), classes.class_of)


def average_sentences(features: Tensor) -> Tensor:
    """Return (C,) of length 1 from (N, C): each normalised, averaged, normalised again."""
    return functional.normalize(functional.normalize(features, dim=-1).mean(dim=0), dim=0)
