"""Everything-mode on the busiest windows of a scene: which true objects are found when nothing is pointed at."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.datasets.scenes import UNKNOWN, LabelledScene, Labels
from server.rasters.windows import PixelWindow, plan_windows
from server.segmentation.mask_records import MaskGenerator, MaskRecord
from server.segmentation.whole_raster.rectangles import slices_of
from server.training.evaluation.baselines import list_segments, segment_by_colour
from server.training.metrics.found_objects import FoundObjects, find_objects
from server.training.metrics.instances import ImageMasks, score_instances


@dataclass(frozen=True)
class FindingScores:
    """What was found in one window.

    Attributes:
        window: col, row, width and height in pixels of the scene.
        areas_px: of the true objects in the window.
        best_ious: of the mask that fits each of them best.
        n_masks: masks that were found.
        n_covered_px: known pixels that belong to a mask.
        n_known_px: known pixels.
        ap: COCO's average precision, IoU 0.5:0.95; NaN without objects.
        recall: COCO's average recall, IoU 0.5:0.95; NaN without objects.
        seconds: what finding the masks took.
        felzenszwalb: `best_ious` of Felzenszwalb's segments, one list for each scale; empty where not asked for.
    """

    window: tuple[int, int, int, int]
    areas_px: list[int]
    best_ious: list[float]
    n_masks: int
    n_covered_px: int
    n_known_px: int
    ap: float
    recall: float
    seconds: float
    felzenszwalb: list[list[float]]


def choose_windows(objects: Labels, side: int, max_windows: int, min_area_px: int) -> list[PixelWindow]:
    """Return the windows of at most `side` pixels with the most objects, those further up first where they tie."""
    height, width = objects.shape
    scene = PixelWindow(0, 0, width, height)
    windows = plan_windows(width, height, size=side, overlap=0)
    n_objects = {window: len(_large_ids(objects[slices_of(window, scene)], min_area_px)) for window in windows}
    busiest = sorted(windows, key=lambda window: -n_objects[window])[:max_windows]
    return [window for window in busiest if n_objects[window] > 0]


def score_finding(
    scene: LabelledScene, window: PixelWindow, generator: MaskGenerator, min_area_px: int, *, has_baselines: bool
) -> FindingScores:
    """Find everything in a window and compare it with what is there.

    Args:
        scene: the labelled image.
        window: of the scene.
        generator: of the network.
        min_area_px: smaller objects, and smaller rests of objects at the window's border, count as unknown ground.
        has_baselines: also ask Felzenszwalb.
    """
    height, width = scene.objects.shape
    part = slices_of(window, PixelWindow(0, 0, width, height))
    objects = scene.objects[part].copy()
    objects[(objects > 0) & ~np.isin(objects, _large_ids(objects, min_area_px))] = UNKNOWN
    rgb = np.ascontiguousarray(scene.rgb[part])
    start = time.perf_counter()
    records = generator.generate(rgb, lambda _: None)
    seconds = time.perf_counter() - start
    found = find_objects(objects, records)
    coco = score_instances([_as_image(objects, records)])
    segmentations = segment_by_colour(rgb) if has_baselines else []
    return FindingScores(
        window=(window.col, window.row, window.width, window.height),
        areas_px=found.areas_px.tolist(),
        best_ious=found.best_ious.tolist(),
        n_masks=len(records),
        n_covered_px=found.n_covered_px,
        n_known_px=found.n_known_px,
        ap=coco.ap,
        recall=coco.recall,
        seconds=seconds,
        felzenszwalb=[_best_ious(find_objects(objects, list_segments(item))) for item in segmentations],
    )


def _best_ious(found: FoundObjects) -> list[float]:
    ious: list[float] = found.best_ious.tolist()
    return ious


def _as_image(objects: Labels, records: list[MaskRecord]) -> ImageMasks:
    masks = []
    for record in records:
        x, y, width, height = record.bbox_xywh
        mask = np.zeros(objects.shape, np.bool_)
        mask[y : y + height, x : x + width] = record.mask
        masks.append(mask)
    return ImageMasks(objects, masks, [record.predicted_iou for record in records])


def _large_ids(objects: Labels, min_area_px: int) -> NDArray[np.int64]:
    areas = np.bincount(objects[objects > 0], minlength=1)
    return np.flatnonzero(areas >= max(min_area_px, 1))
