"""Shows a scene in memory to a network just as the service shows a raster, and returns masks in the scene's pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import Patch, PixelWindow
from server.segmentation.prompting.drawing import DrawnMask, draw_mask
from server.segmentation.prompting.earlier_masks import SeenLogits
from server.segmentation.prompting.looks import Look, Looks
from server.segmentation.prompting.patches import LookReader
from server.segmentation.prompting.prompts import Extent, Prompts
from server.segmentation.prompting.rated_masks import PromptedNetwork
from server.segmentation.prompting.viewing import PromptViewer
from server.segmentation.whole_raster.rectangles import intersect, slices_of

Mask = NDArray[np.bool_]
Clicks = list[tuple[float, float, int]]


@dataclass(frozen=True)
class SceneMask:
    """A mask in pixels of the scene.

    Attributes:
        mask: bool (H, W), cut to its box.
        row: of its uppermost pixels.
        col: of its leftmost pixels.
        seen: what the network drew, to be corrected by the next click.
    """

    mask: Mask
    row: int
    col: int
    seen: SeenLogits

    @property
    def window(self) -> PixelWindow:
        """The box of the mask."""
        return PixelWindow(self.col, self.row, self.mask.shape[1], self.mask.shape[0])

    def on(self, window: PixelWindow) -> Mask:
        """Return the mask as bool (window.height, window.width) of any window."""
        canvas = np.zeros((window.height, window.width), np.bool_)
        shared = intersect(self.window, window)
        if shared is not None:
            canvas[slices_of(shared, window)] = self.mask[slices_of(shared, self.window)]
        return canvas


class SceneReader:
    """Reads looks of a scene in memory; has the methods of `LookReader` that viewers and drawing call."""

    def __init__(self, rgb: NDArray[np.uint8]) -> None:
        """Take a scene, uint8 (H, W, 3)."""
        self._rgb = rgb

    def read_look(self, look: Look) -> Patch:
        """Return the patch of a look; pixels are averaged where it has fewer than the scene."""
        height, width = self._rgb.shape[:2]
        part = self._rgb[slices_of(look.window, PixelWindow(0, 0, width, height))]
        resized = part if look.is_native else cv2.resize(part, look.shape[::-1], interpolation=cv2.INTER_AREA)
        return Patch(np.ascontiguousarray(resized, np.uint8), np.ones(look.shape, np.bool_))

    def read_valid(self, window: PixelWindow) -> Mask:
        """Return True everywhere: what a scene does not show is unknown in its labels already."""
        return np.ones((window.height, window.width), np.bool_)


@dataclass(frozen=True)
class SceneViewer:
    """Asks a network about a scene, with the service's own way of choosing what to look at.

    Attributes:
        rgb: uint8 (H, W, 3).
        network: what answers prompts on a patch.
    """

    rgb: NDArray[np.uint8]
    network: PromptedNetwork

    def ask(
        self, clicks: Clicks, box: Extent | None = None, previous: SeenLogits | None = None, *, multimask: bool
    ) -> list[SceneMask]:
        """Return masks, best first.

        Args:
            clicks: x, y in pixels of the scene and 1 inside or 0 outside.
            box: None without one.
            previous: the mask to be corrected; None for a new one.
            multimask: all masks; False for the best one alone.
        """
        rows = np.array(clicks, np.float64).reshape(-1, 3)
        prompts = Prompts(rows[:, :2], rows[:, 2].astype(np.int64), box)
        reader = cast(LookReader, SceneReader(self.rgb))  # a viewer calls only what both have
        height, width = self.rgb.shape[:2]
        looks = Looks(width, height, self.network.input_size)
        _, found = PromptViewer(reader, self.network, looks, prompts, previous).look_until_whole(multimask=multimask)
        drawn = [(draw_mask(item.mask, item.seen, self.network.mask_threshold, reader), item.seen) for item in found]
        return [_in_scene_pixels(mask, seen) for mask, seen in drawn if mask is not None]


def _in_scene_pixels(drawn: DrawnMask, seen: SeenLogits) -> SceneMask:
    """Return a mask with one value per pixel of the scene; very large ones are drawn coarser."""
    mask = drawn.mask
    if drawn.scale_xy != (1.0, 1.0):
        size = tuple(max(1, round(side * scale)) for side, scale in zip(mask.shape[::-1], drawn.scale_xy, strict=True))
        mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return SceneMask(mask, round(drawn.corner_xy[1]), round(drawn.corner_xy[0]), seen)
