"""Goes on after the first look until nearly all ground belongs to an object: uncovered ground is clicked again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import Thresholds
from server.segmentation.whole_raster.looking import Tell, Viewer
from server.segmentation.whole_raster.painting import LabelPainting, split_into_blocks
from server.segmentation.whole_raster.pieces import Piece

# Clicks per window and pass: as many as SAM's own generator decodes at once.
MAX_CLICKS = 64
# Ground less deep than this, in pixels of the network's input, is a gap between outlines and no object.
MIN_DEPTH_PX = 4.0
# A mask is worth taking in where at least this share of it lies on uncovered ground.
MIN_FREE_SHARE = 0.5
# A pass that covers less than this share of the valid ground stagnates, and the next one asks for less.
STAGNATION_SHARE = 0.02
RELAX_PRED_IOU, RELAX_STABILITY = 0.15, 0.1
MIN_PRED_IOU, MIN_STABILITY = 0.2, 0.5
MAX_PASSES = 6
# Passes end where this share of the valid ground is covered; what is left is shared out among its neighbours.
ENOUGH_SHARE = 0.95


@dataclass(frozen=True)
class Coverage:
    """How much of the ground has an object, in pixels.

    Attributes:
        n_covered: valid pixels with an object.
        n_valid: valid pixels.
    """

    n_covered: int
    n_valid: int

    @property
    def share(self) -> float:
        """Covered share of the valid ground, 0..1; 1 where nothing is valid."""
        return self.n_covered / self.n_valid if self.n_valid else 1.0


def measure_coverage(painting: LabelPainting, tell: Tell) -> Coverage:
    """Count covered and valid pixels block by block."""
    n_covered = n_valid = 0
    blocks = list(split_into_blocks(painting.region))
    for done, block in enumerate(blocks):
        tell(done / len(blocks))
        n_valid += int(np.count_nonzero(painting.read_valid(block)))
        n_covered += int(np.count_nonzero(painting.labels.read(block)))
    return Coverage(n_covered, n_valid)


def plan_thresholds(start: Thresholds, gains: list[float]) -> Thresholds:
    """Return the thresholds of the next pass.

    Args:
        start: those of the first look.
        gains: share of the valid ground that each pass so far has covered in addition.
    """
    n_relaxed = sum(gain < STAGNATION_SHARE for gain in gains)
    return Thresholds(
        min(start.pred_iou_thresh, max(MIN_PRED_IOU, start.pred_iou_thresh - n_relaxed * RELAX_PRED_IOU)),
        min(
            start.stability_score_thresh,
            max(MIN_STABILITY, start.stability_score_thresh - n_relaxed * RELAX_STABILITY),
        ),
    )


def is_finished(coverage: Coverage, gains: list[float], thresholds: Thresholds) -> bool:
    """Tell whether another pass would be of no use."""
    if coverage.share >= ENOUGH_SHARE or len(gains) >= MAX_PASSES:
        return True
    is_lowest = thresholds.pred_iou_thresh <= MIN_PRED_IOU and thresholds.stability_score_thresh <= MIN_STABILITY
    return is_lowest and bool(gains) and gains[-1] < STAGNATION_SHARE


@dataclass(frozen=True)
class FreeGround:
    """Looks for objects on uncovered ground.

    Attributes:
        viewer: shows windows to the network.
        painting: knows what is covered.
        thresholds: of the masks of this pass.
    """

    viewer: Viewer
    painting: LabelPainting
    thresholds: Thresholds

    def find(self, window: PixelWindow, tell: Callable[[float], None]) -> list[Piece] | None:
        """Return objects that lie mostly on the uncovered ground of a window; None where nothing is uncovered."""
        free = self.painting.read_valid(window) & (self.painting.labels.read(window) == 0)
        points = choose_clicks(free, MIN_DEPTH_PX * self.viewer.pixel_step)
        if len(points) == 0:
            return None
        pieces = self.viewer.click(window, points + np.array([window.col, window.row]), self.thresholds, tell)
        return [piece for piece in pieces if _share_free(piece, free, window) >= MIN_FREE_SHARE]


def choose_clicks(free: NDArray[np.bool_], min_depth_px: float) -> NDArray[np.float64]:
    """Return the deepest places of `free`, bool (H, W), as float64 (N, 2) of x and y, the deepest first.

    Each click rules out the disc that fits around it, so that large ground gets several clicks; the border of the
    array does not count as the ground's end.
    """
    coarse = max(1, math.floor(min_depth_px / 2))
    ground = np.pad(free[::coarse, ::coarse].astype(np.uint8), 1, mode="edge")
    depth = cv2.distanceTransform(ground, cv2.DIST_L2, 5)[1:-1, 1:-1].copy()
    points: list[tuple[float, float]] = []
    while depth.size and len(points) < MAX_CLICKS:
        row, col = divmod(int(depth.argmax()), depth.shape[1])
        deepest = float(depth[row, col])
        if deepest * coarse < min_depth_px:
            break
        points.append(((col + 0.5) * coarse, (row + 0.5) * coarse))
        # On wide open ground the disc would rule out everything else, and nothing says that it is all one object.
        cv2.circle(depth, (col, row), math.ceil(min(deepest, max(depth.shape) / 8)), 0.0, thickness=-1)
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _share_free(piece: Piece, free: NDArray[np.bool_], window: PixelWindow) -> float:
    row, col = piece.box.row - window.row, piece.box.col - window.col
    under = free[row : row + piece.box.height, col : col + piece.box.width]
    return int(np.count_nonzero(piece.unpack() & under)) / piece.area_px
