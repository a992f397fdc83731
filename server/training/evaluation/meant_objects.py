"""The objects that simulated people mean: which of a scene are asked for, and how masks are compared with one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.datasets.scenes import Labels
from server.rasters.windows import PixelWindow
from server.segmentation.prompting.prompts import Extent
from server.segmentation.whole_raster.rectangles import enclose, slices_of
from server.training.evaluation.looking import Mask, SceneMask
from server.training.prompts import centre_click

INSIDE, OUTSIDE = 1, 0


@dataclass(frozen=True)
class MeantObject:
    """One true object of a scene.

    Attributes:
        object_id: in the scene's objects.
        objects: of the whole scene, int32 (H, W).
        window: the object's box.
    """

    object_id: int
    objects: Labels
    window: PixelWindow

    @property
    def area_px(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self._on(self.window)))

    @property
    def box(self) -> Extent:
        """The box around the object, in pixels of the scene."""
        col, row, width, height = self.window
        return Extent(col, row, col + width, row + height)

    def first_click(self) -> tuple[float, float, int]:
        """Return x, y of the pixel deepest inside the object, and 1 for inside."""
        x, y = centre_click(self._on(self.window))
        return self.window.col + x, self.window.row + y, INSIDE

    def next_click(self, drawn: SceneMask | None) -> tuple[float, float, int] | None:
        """Return x, y in the middle of the largest error and whether that is inside; None for a perfect mask."""
        if drawn is None:
            return self.first_click()
        window = enclose([self.window, drawn.window])
        meant, known = self._on(window), self._known_on(window)
        errors = ((drawn.on(window) != meant) & known).astype(np.uint8)
        n_areas, areas, statistics, _ = cv2.connectedComponentsWithStats(errors, connectivity=4)
        if n_areas == 1:
            return None
        largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
        x, y = centre_click(areas == largest)
        return window.col + x, window.row + y, INSIDE if meant[int(y), int(x)] else OUTSIDE

    def compare(self, drawn: SceneMask | None) -> float:
        """Return the IoU with a mask where the ground is known; 0 without a mask."""
        if drawn is None:
            return 0.0
        window = drawn.window
        mask = drawn.mask & self._known_on(window)
        return self._iou(int(np.count_nonzero(mask & self._on(window))), int(np.count_nonzero(mask)))

    def compare_segment(self, segments: NDArray[np.int64], x: float, y: float) -> float:
        """Return the IoU with the segment at x, y; `segments` (H, W) are ids that cover the scene."""
        mask = (segments == segments[int(y), int(x)]) & (self.objects >= 0)
        return self._iou(int(np.count_nonzero(mask & (self.objects == self.object_id))), int(np.count_nonzero(mask)))

    def compare_filled_box(self) -> float:
        """Return the IoU with the object's own box, filled."""
        return self._iou(self.area_px, int(np.count_nonzero(self._known_on(self.window))))

    def _iou(self, n_shared: int, n_drawn: int) -> float:
        return n_shared / (self.area_px + n_drawn - n_shared)

    def _on(self, window: PixelWindow) -> Mask:
        return np.asarray(self._cut(window) == self.object_id)

    def _known_on(self, window: PixelWindow) -> Mask:
        return np.asarray(self._cut(window) >= 0)

    def _cut(self, window: PixelWindow) -> Labels:
        height, width = self.objects.shape
        return self.objects[slices_of(window, PixelWindow(0, 0, width, height))]


def choose_meant_objects(objects: Labels, max_objects: int, min_area_px: int) -> list[MeantObject]:
    """Return objects of a scene, the same at every call: all, or a random sample that is spread over all sizes.

    Args:
        objects: int32 (H, W), ids from 1, 0 none, -1 unknown.
        max_objects: at most so many.
        min_area_px: smaller ones are left out, because a few pixels say little about outlines.
    """
    areas = np.bincount(objects[objects > 0], minlength=1)
    ids = np.flatnonzero(areas >= max(min_area_px, 1))
    if len(ids) > max_objects:
        ids = np.sort(np.random.default_rng(0).choice(ids, max_objects, replace=False))
    return [find_meant_object(objects, int(object_id)) for object_id in ids]


def find_meant_object(objects: Labels, object_id: int) -> MeantObject:
    """Return the object of that id, which must be in `objects`, int32 (H, W)."""
    box = cv2.boundingRect((objects == object_id).astype(np.uint8))
    return MeantObject(object_id, objects, PixelWindow(*box))
