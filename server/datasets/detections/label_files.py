"""Detections in a label file for every image, and detections of all images in one file: two shapes of readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.datasets.detections.records import Detection
from server.datasets.images import SceneImage

# What a format adds: label file, image and known classes (None: all names count) to detections.
ParseFile = Callable[[Path, SceneImage, Sequence[str] | None], Iterator[Detection]]


@dataclass(frozen=True)
class LabelFiles:
    """Implements `DetectionReader` with a file for every image.

    Attributes:
        pairs: label files by the name of the image.
        parse: of the format.
        classes: the list that was given; None where none was.
        notes: see `DetectionReader`.
    """

    pairs: Mapping[str, Path]
    parse: ParseFile
    classes: Sequence[str] | None
    notes: Sequence[str]

    @property
    def images(self) -> Sequence[str]:
        """See `DetectionReader`."""
        return tuple(self.pairs)

    def read(self, image: SceneImage) -> Iterator[Detection]:
        """Parse the file of the image; see `DetectionReader`."""
        return self.parse(self.pairs[image.name], image, self.classes)


@dataclass(frozen=True)
class ListedDetections:
    """Implements `DetectionReader` with one file of all images.

    Attributes:
        by_image: detections by the name of the image.
        notes: see `DetectionReader`.
    """

    by_image: Mapping[str, Sequence[Detection]]
    notes: Sequence[str]

    @property
    def images(self) -> Sequence[str]:
        """See `DetectionReader`."""
        return tuple(sorted(self.by_image))

    def read(self, image: SceneImage) -> Sequence[Detection]:
        """Look the image up; see `DetectionReader`."""
        return self.by_image[image.name]
