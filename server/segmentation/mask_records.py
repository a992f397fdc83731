"""One found object, in the form every step after the network shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MaskRecord:
    """One mask of one patch.

    Attributes:
        mask: bool (height, width), cut to the box.
        bbox_xywh: the box in pixels of the patch; width and height count pixels (SAM's own boxes are one less).
        predicted_iou: the network's own rating, 0..1.
        stability_score: 0..1, how little the outline moves when the cut-off changes.
        point_xy: the click that found it, in pixels of the patch.
    """

    mask: NDArray[np.bool_]
    bbox_xywh: tuple[int, int, int, int]
    predicted_iou: float
    stability_score: float
    point_xy: tuple[float, float]

    @property
    def area_px(self) -> int:
        """Number of pixels of the mask."""
        return int(np.count_nonzero(self.mask))


@dataclass(frozen=True)
class Thresholds:
    """What a mask must reach to be kept, in place of the user's own numbers.

    Attributes:
        pred_iou_thresh: predicted IoU, 0..1.
        stability_score_thresh: stability score, 0..1.
    """

    pred_iou_thresh: float
    stability_score_thresh: float


class MaskGenerator(Protocol):
    """What finds the objects of a patch.

    Attributes:
        input_size: side in pixels of the square that the network sees without resampling.
    """

    input_size: int

    @property
    def patches_at_once(self) -> int:
        """How many patches `prepare` had better be given; 1 means that it is of no use."""
        ...

    def prepare(self, patches: Sequence[NDArray[np.uint8]]) -> None:
        """Encode patches, uint8 (H, W, 3) each, together; `generate` need not be called for all of them."""
        ...

    def generate(self, rgb: NDArray[np.uint8], tell: Callable[[float], None]) -> list[MaskRecord]:
        """Return the objects of a patch.

        Args:
            rgb: uint8 (H, W, 3), H and W at most `input_size`.
            tell: told the finished share, 0..1, now and then.
        """
        ...

    def generate_at(
        self,
        rgb: NDArray[np.uint8],
        points_xy: NDArray[np.float64],
        thresholds: Thresholds,
        tell: Callable[[float], None],
    ) -> list[MaskRecord]:
        """Return the objects found by clicks at chosen places, without crop layers.

        Args:
            rgb: see `generate`.
            points_xy: float64 (N, 2), x and y in pixels of the patch; none gives no objects.
            thresholds: used instead of those of the settings.
            tell: see `generate`.
        """
        ...


def crop_mask(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], tuple[int, int, int, int]] | None:
    """Cut `mask`, bool (H, W), to its box; return it with the box (x, y, width, height), or None for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    cols = np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    return mask[top:bottom, left:right].copy(), (left, top, right - left, bottom - top)
