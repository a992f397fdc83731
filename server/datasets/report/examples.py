"""Chooses a few objects of every class by chance and draws them: the ground around them and the mask's outline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.datasets.report.objects import CountedImage, CountedObject
from server.rasters.windows import PixelWindow

N_EXAMPLES = 6
SIDE_PX = 112
# Ground around an object, as a share of its longest side.
AROUND = 0.35
OUTLINE_RGB, PLAIN_RGB, MASK_RGB = (255, 64, 64), (128, 128, 128), (225, 225, 225)
NEIGHBOURS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class Example:
    """An object that could be shown.

    Attributes:
        image: that it lies in.
        item: the object.
        name: unique in the dataset.
    """

    image: CountedImage
    item: CountedObject
    name: str

    def draw(self) -> NDArray[np.uint8]:
        """Return a square picture, uint8 (SIDE_PX, SIDE_PX, 3)."""
        window = self.item.window
        side = max(round(max(window.width, window.height) * (1 + 2 * AROUND)), 8)
        left = window.col + window.width // 2 - side // 2
        top = window.row + window.height // 2 - side // 2
        mask = np.zeros((side, side), np.uint8)
        row, col = window.row - top, window.col - left
        mask[row : row + window.height, col : col + window.width] = self.item.mask
        rgb = self._cut_ground(left, top, side)
        picture = cv2.resize(rgb, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        inside = cv2.resize(mask, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_NEAREST)
        if self.image.read_rgb is None:
            picture[inside > 0] = MASK_RGB
        picture[(cv2.dilate(inside, NEIGHBOURS) > 0) & (inside == 0)] = OUTLINE_RGB
        return np.asarray(picture, np.uint8)

    def _cut_ground(self, left: int, top: int, side: int) -> NDArray[np.uint8]:
        """Return a square of the image, grey where there is none."""
        ground = np.full((side, side, 3), PLAIN_RGB, np.uint8)
        if self.image.read_rgb is None:
            return ground
        width, height = self.image.size
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
        part = PixelWindow(x0, y0, x1 - x0, y1 - y0)
        ground[y0 - top : y1 - top, x0 - left : x1 - left] = self.image.read_rgb(part)
        return ground


class ExampleBox:
    """Keeps pictures of a few objects, the same ones whatever the order they come in."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def offer(self, example: Example) -> None:
        """Keep a picture of an object if chance, which its name decides, is on its side."""
        key = hashlib.blake2b(example.name.encode(), digest_size=8).hexdigest()
        if len(self._kept) < N_EXAMPLES or key < max(self._kept):
            self._kept[key] = example.draw()
            if len(self._kept) > N_EXAMPLES:
                del self._kept[max(self._kept)]

    @property
    def pictures(self) -> list[NDArray[np.uint8]]:
        """Pictures in a fixed order."""
        return [picture for _, picture in sorted(self._kept.items())]
