"""One record per labelled image, and a dataset that reads records only when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from server.datasets.errors import BadDataset

# Of `objects` and `classes`: what nobody knows, and ground that belongs to no object or class.
UNKNOWN, NOTHING = -1, 0
# Names listed in a message; more would hide the sentence.
MAX_NAMES_TOLD = 8
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class LabelledScene:
    """An image and what is known about its pixels.

    Attributes:
        name: of the image, unique in its dataset.
        rgb: uint8 (H, W, 3), as the network sees it; black where the image holds no data.
        objects: int32 (H, W), object ids from 1, 0 for ground that belongs to no object, -1 unknown.
        classes: int32 (H, W), k for the k-th of the dataset's `class_names` counted from 1, 0 for no class, -1 unknown.
        group: the area the image belongs to; images of one group are never split.
    """

    name: str
    rgb: NDArray[np.uint8]
    objects: Labels
    classes: Labels
    group: str


class SceneSource(Protocol):
    """What a record can be read from, known before any pixel is read."""

    @property
    def name(self) -> str:
        """Name of the record."""
        ...

    @property
    def group(self) -> str:
        """The area it belongs to."""
        ...

    def read(self) -> LabelledScene:
        """Read the record.

        Raises:
            UserError: the files do not fit each other or cannot be read.
        """
        ...


class Dataset(Sequence[LabelledScene]):
    """Labelled scenes in a fixed order; each access reads the files anew, so memory holds one scene at a time.

    Attributes:
        sources: what the records are read from.
        class_names: class k of `LabelledScene.classes` is `class_names[k - 1]`.
        messages: sentences about what was done to the data, such as a change of the CRS.
    """

    def __init__(
        self, sources: Iterable[SceneSource], class_names: Sequence[str], messages: Sequence[str] = ()
    ) -> None:
        self.sources = tuple(sources)
        self.class_names = tuple(class_names)
        self.messages = tuple(messages)

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, index: int) -> LabelledScene: ...

    @overload
    def __getitem__(self, index: slice) -> Dataset: ...

    def __getitem__(self, index: int | slice) -> LabelledScene | Dataset:
        if isinstance(index, slice):
            return Dataset(self.sources[index], self.class_names, self.messages)
        return self.sources[index].read()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all records, without reading them."""
        return tuple(source.name for source in self.sources)

    @property
    def groups(self) -> tuple[str, ...]:
        """The area of every record, without reading them."""
        return tuple(source.group for source in self.sources)


def take_spread(dataset: Dataset, n: int) -> Dataset:
    """Return at most `n` records, evenly spread over the order of the dataset; the same at every call."""
    step = max(len(dataset) / n, 1.0)
    chosen = [dataset.sources[int(index * step)] for index in range(min(n, len(dataset)))]
    return Dataset(chosen, dataset.class_names, dataset.messages)


def split_by_group(dataset: Dataset, held_out: Iterable[str]) -> tuple[Dataset, Dataset]:
    """Part a dataset by area, because neighbouring tiles on both sides would let a network look up the answers.

    Args:
        dataset: what to part.
        held_out: groups that go into the second part, with all their images.

    Returns:
        The rest, and the held-out part.

    Raises:
        BadDataset: there is no such group, or one of the parts would be empty.
    """
    wanted, known = set(held_out), set(dataset.groups)
    if not wanted <= known:
        raise BadDataset(
            f"No image belongs to the area {list_names(wanted - known)}; the areas are {list_names(known)}.", "held_out"
        )
    kept = [source for source in dataset.sources if source.group not in wanted]
    apart = [source for source in dataset.sources if source.group in wanted]
    if not kept or not apart:
        raise BadDataset(
            f"Holding out {len(wanted)} of {len(known)} areas leaves one part empty; hold out some areas and keep "
            "others, or group the images more finely.",
            "held_out",
        )
    return (
        Dataset(kept, dataset.class_names, dataset.messages),
        Dataset(apart, dataset.class_names, dataset.messages),
    )


def list_names(names: Iterable[str]) -> str:
    """Return some names for a message, sorted."""
    ordered = sorted(names)
    told = ", ".join(f'"{name}"' for name in ordered[:MAX_NAMES_TOLD])
    rest = len(ordered) - MAX_NAMES_TOLD
    return f"{told} and {rest} more" if rest > 0 else told or "none"
