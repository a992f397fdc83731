"""Stand-ins for a network that know the truth, and err as networks do: what seams are measured with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import Patch, PixelWindow
from server.segmentation.mask_records import MaskRecord, Thresholds, crop_mask
from server.segmentation.whole_raster.rectangles import bottom, right
from server.training.scenes import generate_scene

Labels = NDArray[np.int32]
# What the stand-ins rate their masks with.
RATING = 0.9


def paint_mosaic(n_side: int, scene_px: int, seed: int) -> tuple[NDArray[np.uint8], Labels]:
    """Return a mosaic of generated scenes: rgb uint8 (H, W, 3) and the ids of its objects, int32 (H, W)."""
    side = n_side * scene_px
    rgb, labels = np.zeros((side, side, 3), np.uint8), np.zeros((side, side), np.int32)
    for place in range(n_side * n_side):
        row, col = divmod(place, n_side)
        part = np.s_[row * scene_px : (row + 1) * scene_px, col * scene_px : (col + 1) * scene_px]
        scene = generate_scene(scene_px, seed + place)
        rgb[part] = scene.rgb
        labels[part] = np.where(scene.labels > 0, scene.labels + labels.max(), 0)
    return rgb, labels


class ArrayReader:
    """Reads patches from an array as `PatchReader` does from a file, and remembers where it last read.

    Attributes:
        window: what was read last.
        shape: rows and columns of that patch.
        region: all that is being segmented.
    """

    def __init__(self, rgb: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> None:
        self._rgb = rgb
        self._valid = np.ones(rgb.shape[:2], dtype=np.bool_) if valid is None else valid
        self.window = PixelWindow(0, 0, 1, 1)
        self.shape = (1, 1)
        self.region = PixelWindow(0, 0, rgb.shape[1], rgb.shape[0])

    def read_patch(self, window: PixelWindow, shape: tuple[int, int] | None = None) -> Patch:
        """Return one window; see `PatchReader.read_patch`."""
        self.window, self.shape = window, shape or (window.height, window.width)
        part = np.s_[window.row : window.row + window.height, window.col : window.col + window.width]
        size = self.shape[::-1]
        rgb = cv2.resize(self._rgb[part], size, interpolation=cv2.INTER_AREA)
        valid = cv2.resize(self._valid[part].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return Patch(np.asarray(rgb, dtype=np.uint8), valid > 0)


@dataclass(frozen=True)
class Errors:
    """How a stand-in errs; everything is zero for one that never does.

    Attributes:
        wobble_px: how far outlines move, differently in every window.
        miss_share: share of the objects near a border of the window that are not found.
        rim_px: how near that is.
        shrink_share: share of the objects near a border that lose what lies nearer than `rim_px`.
        melt_share: share of the objects near a border that come out as one with a neighbour.
        seed: of the errors.
    """

    wobble_px: float = 0.0
    miss_share: float = 0.0
    rim_px: int = 0
    shrink_share: float = 0.0
    melt_share: float = 0.0
    seed: int = 0


class KnowingGenerator:
    """Finds the objects of a known scene, cut by the window and changed by errors that depend on the window."""

    def __init__(self, reader: ArrayReader, truth: Labels, input_size: int, errors: Errors | None = None) -> None:
        self.input_size = input_size
        self.patches_at_once = 1
        self._reader = reader
        self._truth = truth
        self._errors = errors or Errors()

    def generate(self, rgb: NDArray[np.uint8], tell: Callable[[float], None]) -> list[MaskRecord]:
        """Return all objects of the patch that was read last."""
        tell(0.0)
        return self._records(self._see(rgb.shape[:2]), None)

    def generate_at(
        self,
        rgb: NDArray[np.uint8],
        points_xy: NDArray[np.float64],
        thresholds: Thresholds,
        tell: Callable[[float], None],
    ) -> list[MaskRecord]:
        """Return the objects under the clicks."""
        tell(0.0)
        seen = self._see(rgb.shape[:2])
        cols, rows = points_xy.astype(int).clip(0, np.array(seen.shape[::-1]) - 1).T
        if max(thresholds.pred_iou_thresh, thresholds.stability_score_thresh) > RATING:
            return []
        return self._records(seen, np.unique(seen[rows, cols]).tolist())

    def _see(self, shape: Sequence[int]) -> Labels:
        """Return the ids as this window shows them."""
        if tuple(shape) != self._reader.shape:
            raise ValueError(f"asked about a patch of {tuple(shape)}, but {self._reader.shape} was read last")
        window = self._reader.window
        rng = np.random.default_rng([self._errors.seed, *window])
        part = self._truth[window.row : window.row + window.height, window.col : window.col + window.width]
        rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        scale_y, scale_x = part.shape[0] / shape[0], part.shape[1] / shape[1]
        down, across = (_draw_wobble(rng, shape, self._errors.wobble_px) for _ in range(2))
        from_rows = np.rint((rows + 0.5 + down) * scale_y - 0.5).clip(0, part.shape[0] - 1).astype(int)
        from_cols = np.rint((cols + 0.5 + across) * scale_x - 0.5).clip(0, part.shape[1] - 1).astype(int)
        seen = part[from_rows, from_cols].copy()
        if self._errors.rim_px:
            _spoil_rim(seen, self._find_rim(shape), self._errors, rng)
        return seen

    def _find_rim(self, shape: Sequence[int]) -> NDArray[np.bool_]:
        """Return bool `shape`: True near those borders of the window where the picture goes on."""
        window, region, depth = self._reader.window, self._reader.region, self._errors.rim_px
        rim = np.zeros(shape, dtype=np.bool_)
        rim[:, : depth if window.col > region.col else 0] = True
        rim[: depth if window.row > region.row else 0] = True
        rim[:, shape[1] - (depth if right(window) < right(region) else 0) :] = True
        rim[shape[0] - (depth if bottom(window) < bottom(region) else 0) :] = True
        return rim

    def _records(self, seen: Labels, wanted: list[int] | None) -> list[MaskRecord]:
        records = []
        for number, box in _boxes(seen):
            if wanted is not None and number not in wanted:
                continue
            cropped = crop_mask(seen[box] == number)
            if cropped is not None:
                mask, (_, _, width, height) = cropped
                x, y = box[1].start, box[0].start
                inside = np.argwhere(mask)[np.count_nonzero(mask) // 2]
                point = (x + float(inside[1]) + 0.5, y + float(inside[0]) + 0.5)
                records.append(MaskRecord(mask, (x, y, width, height), RATING, RATING, point))
        return records


def _draw_wobble(rng: np.random.Generator, shape: Sequence[int], amplitude_px: float) -> NDArray[np.float32]:
    coarse = rng.standard_normal((max(2, shape[0] // 16), max(2, shape[1] // 16))).astype(np.float32)
    smooth = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth * np.float32(amplitude_px), dtype=np.float32)


def _boxes(labels: Labels) -> list[tuple[int, tuple[slice, slice]]]:
    """Return each id over 0 with the slices of its box."""
    rows, cols = np.nonzero(labels)
    if rows.size == 0:
        return []
    ids, places = np.unique(labels[rows, cols], return_inverse=True)
    low = np.full((len(ids), 2), 2**30)
    high = np.zeros((len(ids), 2), dtype=int)
    for axis, index in enumerate((rows, cols)):
        np.minimum.at(low[:, axis], places, index)
        np.maximum.at(high[:, axis], places, index + 1)
    return [
        (int(number), (slice(int(top), int(below)), slice(int(left), int(end))))
        for number, (top, left), (below, end) in zip(ids, low, high, strict=True)
    ]


def _spoil_rim(seen: Labels, rim: NDArray[np.bool_], errors: Errors, rng: np.random.Generator) -> None:
    """Miss, shrink and melt objects near the borders of the window, in place."""
    boxes = dict(_boxes(seen))
    for number in np.unique(seen[rim & (seen > 0)]).tolist():
        fate = float(rng.random())
        box = boxes[number]
        here = seen[box] == number
        if fate < errors.miss_share and not (here & ~rim[box]).any():
            seen[box][here] = 0
        elif fate < errors.miss_share + errors.shrink_share:
            seen[box][here & rim[box]] = 0
        elif fate < errors.miss_share + errors.shrink_share + errors.melt_share:
            _melt(seen, number, rim)


def _melt(seen: Labels, number: int, rim: NDArray[np.bool_]) -> None:
    """Give the part of a neighbour that lies in the rim the number of this object."""
    here = (seen == number).astype(np.uint8)
    around = seen[(cv2.dilate(here, np.ones((3, 3), np.uint8)) > 0) & (here == 0) & (seen > 0)]
    if around.size:
        neighbour = int(np.bincount(around).argmax())
        seen[(seen == neighbour) & rim] = number
