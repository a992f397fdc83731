"""Fills small holes of masks and removes small islands, on the mask's own box instead of the whole patch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from server.segmentation.automatic.suppression import suppress_overlaps
from server.segmentation.mask_records import MaskRecord, crop_mask


def clean_masks(
    records: list[MaskRecord], min_area_px: int, patch_size: tuple[int, int], iou_threshold: float
) -> list[MaskRecord]:
    """Fill holes and remove islands below `min_area_px` pixels, then drop what has become a duplicate.

    Args:
        records: masks of one patch.
        min_area_px: regions of fewer pixels are small.
        patch_size: height and width.
        iou_threshold: see `suppress_overlaps`; masks that needed no change win.

    Returns:
        The masks that stay, unchanged ones first. Their ratings are those of the masks as they were found.
    """
    cleaned = [_clean(record, min_area_px, patch_size) for record in records]
    is_unchanged = [float(after is before) for after, before in zip(cleaned, records, strict=True)]
    kept = suppress_overlaps([record.bbox_xywh for record in cleaned], is_unchanged, iou_threshold)
    return [cleaned[index] for index in kept]


def _clean(record: MaskRecord, min_area_px: int, patch_size: tuple[int, int]) -> MaskRecord:
    """Return the record itself where nothing is small in it."""
    surroundings = _choose_surroundings(record.bbox_xywh, min_area_px, patch_size)
    mask = np.pad(record.mask, (surroundings.rows, surroundings.cols))
    final = remove_islands(fill_holes(mask, surroundings, min_area_px), min_area_px)
    cropped = crop_mask(final) if final is not mask else None
    if cropped is None:
        return record
    cut, (x, y, width, height) = cropped
    x, y = x + record.bbox_xywh[0] - surroundings.cols[0], y + record.bbox_xywh[1] - surroundings.rows[0]
    return dataclasses.replace(record, mask=cut, bbox_xywh=(x, y, width, height))


@dataclass(frozen=True)
class Surroundings:
    """How much of what lies around a mask's box is looked at, and whether it goes on beyond.

    Background outside the box counts as a hole too where it is small. Strips between the box and the edge of the patch
    that may be small are therefore taken in whole; of larger ones a single line joins what hangs together outside.

    Attributes:
        rows: lines added above and below.
        cols: lines added left and right.
        goes_on_rows: True for above and for below where more than `min_area_px` of background follows.
        goes_on_cols: the same for left and right.
    """

    rows: tuple[int, int]
    cols: tuple[int, int]
    goes_on_rows: tuple[bool, bool]
    goes_on_cols: tuple[bool, bool]


def _choose_surroundings(
    bbox_xywh: tuple[int, int, int, int], min_area_px: int, patch_size: tuple[int, int]
) -> Surroundings:
    height, width = patch_size
    x, y, mask_width, mask_height = bbox_xywh
    above, below = y, height - y - mask_height
    left, right = x, width - x - mask_width
    goes_on_rows = (above * width >= min_area_px, below * width >= min_area_px)
    goes_on_cols = (left * height >= min_area_px, right * height >= min_area_px)
    return Surroundings(
        rows=(1 if goes_on_rows[0] else above, 1 if goes_on_rows[1] else below),
        cols=(1 if goes_on_cols[0] else left, 1 if goes_on_cols[1] else right),
        goes_on_rows=goes_on_rows,
        goes_on_cols=goes_on_cols,
    )


def fill_holes(mask: NDArray[np.bool_], surroundings: Surroundings, min_area_px: int) -> NDArray[np.bool_]:
    """Return `mask`, which includes its surroundings, with small holes filled, or itself where there are none."""
    _, regions, areas = _find_regions(~mask)
    is_small = areas < min_area_px
    outer_lines = (regions[0], regions[-1], regions[:, 0], regions[:, -1])
    goes_on = (*surroundings.goes_on_rows, *surroundings.goes_on_cols)
    for line, has_more in zip(outer_lines, goes_on, strict=True):
        if has_more:
            is_small[line] = False
    is_small[0] = False  # region 0 is the mask
    if not is_small.any():
        return mask
    filled: NDArray[np.bool_] = mask | is_small[regions]
    return filled


def remove_islands(mask: NDArray[np.bool_], min_area_px: int) -> NDArray[np.bool_]:
    """Return `mask` without its small islands, or `mask` itself where there are none; the largest always stays."""
    n_regions, regions, areas = _find_regions(mask)
    is_kept = areas >= min_area_px
    is_kept[0] = False  # region 0 is the background
    if np.count_nonzero(is_kept) == n_regions - 1:
        return mask
    if not is_kept.any():
        is_kept[1 + int(np.argmax(areas[1:]))] = True
    left: NDArray[np.bool_] = is_kept[regions]
    return left


def _find_regions(mask: NDArray[np.bool_]) -> tuple[int, NDArray[np.int32], NDArray[np.int32]]:
    """Return the number of 8-connected regions with the rest as region 0, the region of each pixel, and their areas."""
    n_regions, regions, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    return n_regions, np.asarray(regions, dtype=np.int32), np.asarray(statistics[:, cv2.CC_STAT_AREA], dtype=np.int32)
