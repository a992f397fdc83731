"""The one form in which every reader hands out a detection, and what readers have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from server.datasets.images import SceneImage

# Formats write one or two digits after the point, so corners of an upright rectangle agree only so far.
UPRIGHT_TOLERANCE_PX = 0.05


class Box(NamedTuple):
    """An upright rectangle in pixels of the image; x1 and y1 are edges, not pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Extent along x in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Extent along y in pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Pixels inside."""
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        """X and y of the middle."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def iou(self, other: Box) -> float:
        """Return the area in both over the area in either, 0..1; 0 for boxes without area."""
        across = min(self.x1, other.x1) - max(self.x0, other.x0)
        down = min(self.y1, other.y1) - max(self.y0, other.y0)
        common = max(across, 0.0) * max(down, 0.0)
        either = self.area + other.area - common
        return common / either if either > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Detection:
    """One object that somebody pointed out.

    Attributes:
        image: name of the image, as `SceneImage.name`.
        class_name: not empty.
        corners: float64 (4, 2), x and y in pixels from the image's upper left corner, clockwise as seen on the screen
            and the upper left one first; (1, 2) where only a point is known.
        is_difficult: whoever drew it was not sure, or it is hardly visible.
        source: where it stands, such as "labels/a.txt, line 3", for messages.
    """

    image: str
    class_name: str
    corners: NDArray[np.float64]
    is_difficult: bool
    source: str

    @property
    def is_point(self) -> bool:
        """Tell whether only a point is known."""
        return len(self.corners) == 1

    @property
    def is_rotated(self) -> bool:
        """Tell whether the corners are not those of an upright rectangle."""
        if self.is_point:
            return False
        away = np.abs(self.corners - corners_of(self.box))
        return bool(away.max() > UPRIGHT_TOLERANCE_PX)

    @property
    def box(self) -> Box:
        """The smallest upright rectangle around the corners, whatever their order."""
        return Box(*self.corners.min(axis=0).tolist(), *self.corners.max(axis=0).tolist())


class DetectionReader(Protocol):
    """Hands out the detections of one image after the other, so that memory never holds those of all images.

    Attributes:
        images: names of the images that the labels speak of and that exist, in order.
        notes: sentences about what was found while opening.
    """

    @property
    def images(self) -> Sequence[str]:
        """See above."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """See above."""
        ...

    def read(self, image: SceneImage) -> Iterable[Detection]:
        """Return the detections of an image, as they stand in the labels, also those outside of it.

        Raises:
            BadDataset: the labels are not in the format that was said; names file and line.
        """
        ...


def order_corners(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return four corners, float64 (4, 2), clockwise from the upper left one, in whatever order they come.

    The order is that of their angles around the middle, so corners that were written crosswise are put right, too.
    """
    away = corners - corners.mean(axis=0)
    # y points down, so growing angles run clockwise on the screen.
    around = corners[np.argsort(np.arctan2(away[:, 1], away[:, 0]), kind="stable")]
    sums = around.sum(axis=1)
    # Of two corners that are equally far up and left, as a square on its tip has them, the upper one.
    first = min(range(len(around)), key=lambda index: (round(float(sums[index]), 6), around[index, 1]))
    return np.roll(around, -first, axis=0)


def corners_of(box: Box) -> NDArray[np.float64]:
    """Return the corners of an upright rectangle, float64 (4, 2), clockwise from the upper left one."""
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


def sort_box(x0: float, y0: float, x1: float, y1: float) -> Box:
    """Return the rectangle between two opposite corners, whichever they are."""
    return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
