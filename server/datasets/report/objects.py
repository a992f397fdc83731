"""The one form in which objects of any dataset are counted, one image after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow


@dataclass(frozen=True, eq=False)
class CountedObject:
    """One instance.

    Attributes:
        class_name: of it.
        mask: bool (height, width) of the window.
        window: where the mask lies in the image.
        box_iou: IoU of the mask's box with the box it was asked with, 0..1; None where there was none.
    """

    class_name: str
    mask: NDArray[np.bool_]
    window: PixelWindow
    box_iou: float | None

    @property
    def area_px(self) -> int:
        """Pixels of the mask."""
        return int(np.count_nonzero(self.mask))


@dataclass(frozen=True, eq=False)
class CountedImage:
    """An image with its objects.

    Attributes:
        name: of the image.
        size: width and height.
        objects: in a fixed order.
        read_rgb: returns a part of the image, uint8 (height, width, 3); None where only its labels are at hand.
    """

    name: str
    size: tuple[int, int]
    objects: Sequence[CountedObject]
    read_rgb: Callable[[PixelWindow], NDArray[np.uint8]] | None


class CountedDataset(Protocol):
    """What a report is made of."""

    @property
    def class_names(self) -> Sequence[str]:
        """Classes, also those without objects."""
        ...

    def __len__(self) -> int:
        """Number of images."""
        ...

    def __iter__(self) -> Iterator[CountedImage]:
        """Read one image after the other.

        Raises:
            UserError: files do not fit each other or cannot be read.
        """
        ...
