"""Joins an image window with its labels, whatever these are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from server.datasets.images import SceneImage
from server.datasets.scenes import UNKNOWN, LabelledScene, Labels
from server.rasters.stretch import StretchMode


class LabelSource(Protocol):
    """What knows the labels of an image file."""

    def read_labels(self, image: SceneImage) -> tuple[Labels, Labels]:
        """Return objects and classes of the window, int32 (H, W) each, as `LabelledScene` has them.

        Raises:
            UserError: the labels do not fit the image or cannot be read.
        """
        ...


@dataclass(frozen=True)
class LabelledWindow:
    """Implements `SceneSource` for a window of an image file.

    Attributes:
        image: the window.
        labels: of the image file.
        stretch: of values that are to become 8 bits.
    """

    image: SceneImage
    labels: LabelSource
    stretch: StretchMode

    @property
    def name(self) -> str:
        """Name of the record."""
        return self.image.name

    @property
    def group(self) -> str:
        """The area it belongs to."""
        return self.image.group

    def read(self) -> LabelledScene:
        """Read image and labels; where the image holds no data its labels become unknown.

        Raises:
            UserError: the files do not fit each other or cannot be read.
        """
        objects, classes = self.labels.read_labels(self.image)
        patch = self.image.read(self.stretch)
        for labels in (objects, classes):
            labels[~patch.valid] = UNKNOWN
        return LabelledScene(self.name, patch.rgb, objects, classes, self.group)
