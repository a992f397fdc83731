"""Hands out training examples: an encoder output and the labels that belong to it."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from server.datasets.scenes import Dataset
from server.training.finetuning.embedding_store import EmbeddingStore, make_key, round_as_stored
from server.training.finetuning.views import cut_view, draw_view
from server.training.finetuning.windows import ClassWindow, class_objects
from server.training.labelled_images import LabelledImage

# Scenes kept in memory, because windows of one scene are drawn at random among those of all others.
SCENES_BYTES = 1 << 30
Example = tuple[torch.Tensor, NDArray[np.int32]]
Encode = Callable[[NDArray[np.uint8]], torch.Tensor]


class Views:
    """The views of all windows of a dataset; the same numbers always give the same view.

    Attributes:
        windows: what there is.
    """

    def __init__(self, dataset: Dataset, windows: Sequence[ClassWindow], class_number: int, size: int) -> None:
        """Prepare.

        Args:
            dataset: what `windows` refer to.
            windows: to be shown.
            class_number: of the class, from 1.
            size: side of the network's input.
        """
        self.windows = windows
        self._dataset = dataset
        self._class_number = class_number
        self._size = size
        self._scenes: OrderedDict[int, LabelledImage] = OrderedDict()

    def show(self, number: int, variant: int, seed: int) -> LabelledImage:
        """Return a view of window `number`: the window as it is for variant 0, else one drawn by variant and seed."""
        window = self.windows[number]
        scene = self._read(window.scene)
        if variant == 0:
            return cut_view(scene, window.window, self._size)
        return draw_view(scene, window.window, self._size, np.random.default_rng((seed, number, variant)))

    def _read(self, number: int) -> LabelledImage:
        if number not in self._scenes:
            scene = self._dataset[number]
            self._scenes[number] = LabelledImage(scene.rgb, class_objects(scene, self._class_number))
            while len(self._scenes) > 1 and sum(map(_count_bytes, self._scenes.values())) > SCENES_BYTES:
                self._scenes.popitem(last=False)
        self._scenes.move_to_end(number)
        return self._scenes[number]


class Examples(Protocol):
    """What training draws from."""

    def get(self, number: int, variant: int) -> Example:
        """Return the embedding (1, C, h, w) of a view and its labels, int32 (S, S) as `class_objects` gives them."""
        ...


@dataclass(frozen=True)
class FreshExamples:
    """Encodes every time, with the gradients that training the encoder needs.

    Attributes:
        views: of the windows.
        encode: an image uint8 (S, S, 3) to the encoder's output (1, C, h, w).
        seed: of the views.
    """

    views: Views
    encode: Encode
    seed: int

    def get(self, number: int, variant: int) -> Example:
        """Return an example; see `Examples`."""
        view = self.views.show(number, variant, self.seed)
        return self.encode(view.rgb), view.labels


class KeptExamples:
    """Encodes every view once, for an encoder that does not change."""

    def __init__(self, source: FreshExamples, store: EmbeddingStore, encoder_digest: str) -> None:
        """Prepare.

        Args:
            source: what is kept.
            store: where encoder outputs are kept.
            encoder_digest: of the encoder's weights.
        """
        self._source = source
        self._store = store
        self._encoder_digest = encoder_digest
        # Labels are a few kilobytes once packed, and with their key the image itself is not read again.
        self._known: dict[tuple[int, int], tuple[str, bytes, int]] = {}

    def get(self, number: int, variant: int) -> Example:
        """Return an example; see `Examples`."""
        if (number, variant) in self._known:
            key, packed, side = self._known[number, variant]
            embedding = self._store.find(key)
            if embedding is not None:
                return embedding, np.frombuffer(zlib.decompress(packed), np.int32).reshape(side, side)
        view = self._source.views.show(number, variant, self._source.seed)
        key = make_key(self._encoder_digest, view.rgb)
        self._known[number, variant] = key, zlib.compress(view.labels.tobytes(), 1), len(view.labels)
        embedding = self._store.find(key)
        if embedding is None:
            with torch.no_grad():
                embedding = self._source.encode(view.rgb)
            self._store.keep(key, embedding)
        return round_as_stored(embedding), view.labels


def _count_bytes(image: LabelledImage) -> int:
    return image.rgb.nbytes + image.labels.nbytes
