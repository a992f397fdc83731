"""Do both generators find the same masks? Counted one to one, over images and parameter sets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from segment_anything.utils.amg import rle_to_mask

from benchmarks.automatic_masks.images import Picture
from benchmarks.automatic_masks.networks import Subject
from benchmarks.automatic_masks.sides import PackageRecords, make_ours, make_package
from server.segmentation.mask_records import MaskRecord
from server.segmentation.networks.caching_predictor import EmbeddingCache
from server.segmentation.parameters import MaskGeneratorSettings

CACHE_BYTES = 1 << 29


@dataclass(frozen=True)
class Rule:
    """When two masks count as the same.

    Attributes:
        min_iou: least overlap over union.
        max_score_difference: most that predicted IoU and stability may each differ.
        same_box: whether the boxes must be equal to the pixel.
    """

    min_iou: float
    max_score_difference: float
    same_box: bool

    def admits(self, left: MaskRecord, right: MaskRecord) -> bool:
        """Tell whether everything but the overlap, which takes longer, agrees."""
        return (
            abs(left.predicted_iou - right.predicted_iou) <= self.max_score_difference
            and abs(left.stability_score - right.stability_score) <= self.max_score_difference
            and (not self.same_box or left.bbox_xywh == right.bbox_xywh)
        )


EXACT = Rule(min_iou=0.99, max_score_difference=1e-3, same_box=True)
# Reduced precision moves scores and outlines a little; what counts is the mask.
REDUCED = Rule(min_iou=0.95, max_score_difference=1.0, same_box=False)


@dataclass(frozen=True)
class Cell:
    """One image under one parameter set.

    Attributes:
        n_ours, n_package: masks found.
        match_share: masks equal in every respect, as a share of the larger number; 1 where neither found any.
    """

    picture: str
    parameters: str
    n_ours: int
    n_package: int
    match_share: float


def parameter_sets(subject: Subject, points_per_side: int) -> dict[str, MaskGeneratorSettings]:
    """Return the six parameter sets by name; those after the first start from the subject's probed thresholds.

    Nearly all masks of a random network have the box of the whole image, of which suppression leaves one. So that there
    is something to compare, it is switched off for such networks, but for the first set and the one about it.
    """
    base = dataclasses.replace(subject.thresholds, points_per_side=points_per_side)
    nms = dataclasses.replace(base, box_nms_thresh=0.5)
    if subject.is_random:
        base = dataclasses.replace(base, box_nms_thresh=1.0, crop_nms_thresh=1.0)
    defaults = dataclasses.replace(subject.default_settings, points_per_side=points_per_side)
    return {
        "defaults": defaults,
        "crop layer": dataclasses.replace(base, crop_n_layers=1, crop_n_points_downscale_factor=2),
        "small regions": dataclasses.replace(base, min_mask_region_area=100),
        "stability": dataclasses.replace(
            base, stability_score_offset=2.0, stability_score_thresh=0.9 * base.stability_score_thresh
        ),
        "batch of 7": dataclasses.replace(base, points_per_batch=7),
        "box nms 0.5": nms,
    }


def measure_parity(subject: Subject, network: Any, pictures: list[Picture], points_per_side: int) -> list[Cell]:
    """Run both generators on every image under every parameter set.

    Each side encodes every image itself, once: the parameter sets share its encoder outputs, not the other side's.
    """
    our_cache, their_cache = EmbeddingCache(CACHE_BYTES), EmbeddingCache(CACHE_BYTES)
    cells = []
    for picture in pictures:
        for name, settings in parameter_sets(subject, points_per_side).items():
            ours = make_ours(network, settings, our_cache)(picture.rgb)
            package = to_records(make_package(network, settings, their_cache)(picture.rgb))
            share = match_share(ours, package, EXACT)
            cells.append(Cell(picture.name, name, len(ours), len(package), share))
            print(f"{picture.name:32} {name:14} {len(ours):5} {len(package):5} {share:.4f}", flush=True)
    return cells


def match_share(ours: list[MaskRecord], package: list[MaskRecord], rule: Rule) -> float:
    """Return how many masks of both lists belong together one to one, as a share of the longer list."""
    longer = max(len(ours), len(package))
    if longer == 0:
        return 1.0
    candidates = (
        (_iou(left, right), i, j)
        for (i, left), (j, right) in product(enumerate(ours), enumerate(package))
        if rule.admits(left, right)
    )
    taken_left: set[int] = set()
    taken_right: set[int] = set()
    for iou, i, j in sorted(candidates, reverse=True):
        if iou >= rule.min_iou and i not in taken_left and j not in taken_right:
            taken_left.add(i)
            taken_right.add(j)
    return len(taken_left) / longer


def _iou(left: MaskRecord, right: MaskRecord) -> float:
    """Return the overlap of two cropped masks over their union."""
    x = max(left.bbox_xywh[0], right.bbox_xywh[0])
    y = max(left.bbox_xywh[1], right.bbox_xywh[1])
    end_x = min(box[0] + box[2] for box in (left.bbox_xywh, right.bbox_xywh))
    end_y = min(box[1] + box[3] for box in (left.bbox_xywh, right.bbox_xywh))
    if end_x <= x or end_y <= y:
        return 0.0
    shared = np.count_nonzero(_part(left, x, y, end_x, end_y) & _part(right, x, y, end_x, end_y))
    return shared / (left.area_px + right.area_px - shared)


def _part(record: MaskRecord, x: int, y: int, end_x: int, end_y: int) -> NDArray[np.bool_]:
    left, top = record.bbox_xywh[:2]
    return record.mask[y - top : end_y - top, x - left : end_x - left]


def to_records(package: PackageRecords) -> list[MaskRecord]:
    """Turn the package's records into ours with the boxes the package reports; empty masks are no objects."""
    records = []
    for item in package:
        mask = rle_to_mask(item["segmentation"])
        if mask.any():
            x, y, width, height = (round(value) for value in item["bbox"])
            box = (x, y, width + 1, height + 1)  # the package's boxes end on the last pixel, ours after it
            point = (float(item["point_coords"][0][0]), float(item["point_coords"][0][1]))
            cropped = mask[y : y + box[3], x : x + box[2]]
            records.append(MaskRecord(cropped, box, item["predicted_iou"], item["stability_score"], point))
    return records
