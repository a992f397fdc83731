"""What is known about every object beside its pixels, in a form that stays small for a million objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from server.segmentation.whole_raster.object_search import SearchResult
from server.segmentation.whole_raster.painting import number_visible
from server.vectors.geopackage import ObjectAttributes

FIELDS = ("predicted_iou", "stability_score", "x", "y")


class AttributeTable(Mapping[int, ObjectAttributes]):
    """Attributes by final id; objects are added in the order of their provisional ids."""

    def __init__(self) -> None:
        self._values: list[NDArray[np.float64]] = []
        self._sources: list[str] = []
        self._counts: list[NDArray[np.int64]] = []
        self._visible: NDArray[np.float64] = np.zeros((0, len(FIELDS) + 1))

    @property
    def n_added(self) -> int:
        """Objects added so far, which is the highest provisional id."""
        return sum(len(counts) for counts in self._counts)

    def add_found(self, found: SearchResult, counts: NDArray[np.int64], source: str) -> None:
        """Add the objects of a search; `counts`, int64 (number of objects,), are the pixels each of them keeps."""
        best = np.array([item.best for item in found.objects], dtype=np.int64)
        rows = found.canvas.store.table[best]
        self._add(np.stack([rows[name] for name in FIELDS], axis=1), counts, source)

    def add_rest(self, counts: NDArray[np.int64], source: str) -> None:
        """Add objects that no network found, with the pixels of each."""
        self._add(np.full((len(counts), len(FIELDS)), np.nan), counts, source)

    def finish(self) -> NDArray[np.int32]:
        """Return int32 (n_added + 1,): the final id of each provisional one, 1..N without gaps, hidden ones 0."""
        counts = np.concatenate([*self._counts, np.zeros(0, dtype=np.int64)])
        rows = [np.column_stack([values, np.full(len(values), place)]) for place, values in enumerate(self._values)]
        self._visible = np.concatenate([np.zeros((0, len(FIELDS) + 1)), *rows])[counts > 0]
        return number_visible(counts)

    def __getitem__(self, object_id: int) -> ObjectAttributes:
        if not 1 <= object_id <= len(self._visible):
            raise KeyError(object_id)
        *values, place = self._visible[object_id - 1].tolist()
        source = self._sources[int(place)]
        if np.isnan(values[0]):
            return ObjectAttributes(source=source)
        predicted_iou, stability_score, x, y = values
        return ObjectAttributes(predicted_iou, stability_score, (x, y), source=source)

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, len(self._visible) + 1))

    def __len__(self) -> int:
        return len(self._visible)

    def _add(self, values: NDArray[np.float64], counts: NDArray[np.int64], source: str) -> None:
        self._values.append(values)
        self._counts.append(counts)
        self._sources.append(source)
