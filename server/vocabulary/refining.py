"""Sharpens a class map by SAM's objects: where an object's pixels agree, the doubtful among them take that class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from server.vectors.geopackage import ObjectAttributes
from server.vectors.placing_again import read_attributes
from server.vocabulary.head import ClassMap, choose_classes
from server.vocabulary.settings import VocabularySettings

# Share of an object's pixels that must be of its class before the others give in: with less, the object is no one thing
# of the class map, such as an outline around half a coast.
MIN_AGREEMENT = 0.75


class ObjectVotes:
    """Probabilities of the classes, summed over the pixels of every object while windows come in.

    Memory follows the number of objects and classes, not the pixels.
    """

    def __init__(self, n_classes: int) -> None:
        self._sums = np.zeros((1, n_classes))
        self._counts = np.zeros((1, n_classes), np.int64)

    def add(self, labels: NDArray[np.int32], probabilities: NDArray[np.float32]) -> None:
        """Count what the pixels of a window say.

        Args:
            labels: (H, W) ids of objects, 0 for none.
            probabilities: (K, H, W).
        """
        inside = labels > 0
        ids, places = np.unique(labels[inside], return_inverse=True)
        if not len(ids):
            return
        self._reserve(int(ids[-1]) + 1)
        best = probabilities.argmax(axis=0)[inside]
        for number, plane in enumerate(probabilities):
            self._sums[ids, number] += np.bincount(places, plane[inside], minlength=len(ids))
            self._counts[ids, number] += np.bincount(places, best == number, minlength=len(ids)).astype(np.int64)

    def decide(self, settings: VocabularySettings) -> ObjectClasses:
        """Give every object its likeliest class, or the background where that is not likely enough."""
        n_pixels = self._counts.sum(axis=1)
        means = self._sums / np.maximum(n_pixels, 1)[:, None]
        found = choose_classes(torch.from_numpy(means.T[:, None]), settings)
        agreeing = self._counts[np.arange(len(means)), means.argmax(axis=1)]
        agrees = (n_pixels > 0) & (agreeing >= MIN_AGREEMENT * n_pixels)
        return ObjectClasses(found.classes[0], found.probability[0], n_pixels > 0, agrees)

    def _reserve(self, n_ids: int) -> None:
        """Make room for ids below `n_ids`; twice as much as before, so that growing costs little."""
        if n_ids > len(self._sums):
            missing = max(n_ids, 2 * len(self._sums)) - len(self._sums)
            self._sums = np.pad(self._sums, ((0, missing), (0, 0)))
            self._counts = np.pad(self._counts, ((0, missing), (0, 0)))


@dataclass(frozen=True)
class ObjectClasses:
    """What every object is; arrays are by id, with an entry for 0.

    Attributes:
        classes: uint8 (N + 1,), from 0.
        probability: float32 (N + 1,), 0..1: mean over the object's pixels of the class it took.
        is_known: (N + 1,), True for objects that have classified pixels.
        agrees: (N + 1,), True for those of them whose pixels agree; see `MIN_AGREEMENT`.
    """

    classes: NDArray[np.uint8]
    probability: NDArray[np.float32]
    is_known: NDArray[np.bool_]
    agrees: NDArray[np.bool_]

    def refine(self, labels: NDArray[np.int32], found: ClassMap) -> ClassMap:
        """Return classes and probability (H, W) in which doubtful pixels follow the object, by `labels`, they lie in.

        Only pixels less probable than the object as a whole do: where the map is sure of something smaller, such as
        surf in an object of water, it knows better.
        """
        # Ids that nobody voted for are beyond the arrays.
        known = np.where(labels < len(self.agrees), labels, 0)
        follows = self.agrees[known] & (found.probability < self.probability[known])
        classes = np.where(follows, self.classes[known], found.classes)
        return ClassMap(classes, np.where(follows, self.probability[known], found.probability))


class ClassifiedObjects(Mapping[int, ObjectAttributes]):
    """Attributes of SAM's objects with the class each of them took."""

    def __init__(self, objects: Path, found: ObjectClasses, names: tuple[str, ...]) -> None:
        """Read what is known of the objects from their GeoPackage; `names` are those of the classes."""
        self._attributes = read_attributes(objects)
        self._found = found
        self._names = names

    def __getitem__(self, object_id: int) -> ObjectAttributes:
        known = self._attributes[object_id]
        if object_id >= len(self._found.is_known) or not self._found.is_known[object_id]:
            return known
        score = round(float(self._found.probability[object_id]), 4)
        return replace(known, class_name=self._names[self._found.classes[object_id]], predicted_iou=score)

    def __iter__(self) -> Iterator[int]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)
