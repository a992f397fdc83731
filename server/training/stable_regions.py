"""Objects for images without labels: regions that a classical segmentation finds again when its scale doubles."""

from __future__ import annotations

import hashlib
import zipfile
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import felzenszwalb

from server.training.labelled_images import LabelledImage

# Felzenszwalb and Huttenlocher 2004: larger scales merge more. A region that one doubling leaves nearly as it was has
# a border that the image itself shows; most of what is in between the scales is chance.
SCALES = (60, 120, 240, 480, 960)
SIGMA, MIN_SIZE_PX = 0.8, 30
STABLE_IOU = 0.85
# Ragged scraps and frames around everything else cover little of their convex hull, and nobody clicks on them.
MIN_SOLIDITY = 0.8
MAX_AREA_SHARE = 0.25
# A layer with fewer regions is not worth its memory.
MIN_REGIONS = 8


def find_stable_regions(rgb: NDArray[np.uint8]) -> list[LabelledImage]:
    """Return the image once per scale at which it has stable regions, finest first.

    Args:
        rgb: uint8 (H, W, 3).

    Returns:
        Images whose labels are the stable regions of one scale, 1..N; 0 elsewhere. A region that stays the same
        over several doublings is only in the first.
    """
    levels = [_segment(rgb, scale) for scale in SCALES]
    layers = []
    before = np.zeros(int(levels[0].max()) + 1, bool)
    for fine, coarse in pairwise(levels):
        survives, successor = _match(fine, coarse)
        labels = _draw_compact(fine, np.flatnonzero(survives & ~before))
        before = np.zeros(int(coarse.max()) + 1, bool)
        before[successor[survives]] = True
        if labels.max() >= MIN_REGIONS:
            layers.append(LabelledImage(rgb, labels))
    return layers


def find_kept_regions(rgb: NDArray[np.uint8], folder: Path) -> list[LabelledImage]:
    """Return what `find_stable_regions` does, from a file in `folder` where it was looked for before.

    Args:
        rgb: uint8 (H, W, 3).
        folder: receives one file for every image; a file that cannot be read is made anew.
    """
    # Other settings of the search, another name.
    settings = repr((SCALES, SIGMA, MIN_SIZE_PX, STABLE_IOU, MIN_SOLIDITY, MAX_AREA_SHARE, MIN_REGIONS, rgb.shape))
    path = folder / f"{hashlib.sha256(settings.encode() + rgb.tobytes()).hexdigest()[:32]}.npz"
    try:
        with np.load(path) as stored:
            return [LabelledImage(rgb, labels.astype(np.int32)) for labels in stored["labels"]]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        layers = find_stable_regions(rgb)
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part.npz")
    np.savez_compressed(draft, labels=np.array([layer.labels for layer in layers], dtype=np.uint16))
    draft.replace(path)
    return layers


def _segment(rgb: NDArray[np.uint8], scale: float) -> NDArray[np.int64]:
    return np.asarray(felzenszwalb(rgb, scale=scale, sigma=SIGMA, min_size=MIN_SIZE_PX), dtype=np.int64)


def _match(fine: NDArray[np.int64], coarse: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return for every region of `fine` whether `coarse` has nearly the same one, and which it overlaps most."""
    n_fine, n_coarse = int(fine.max()) + 1, int(coarse.max()) + 1
    pairs, common = np.unique(fine.ravel() * n_coarse + coarse.ravel(), return_counts=True)
    order = np.argsort(common)  # the last one written is the largest
    best, overlap = np.zeros(n_fine, np.int64), np.zeros(n_fine, np.int64)
    best[pairs[order] // n_coarse] = pairs[order] % n_coarse
    overlap[pairs[order] // n_coarse] = common[order]
    union = np.bincount(fine.ravel(), minlength=n_fine) + np.bincount(coarse.ravel())[best] - overlap
    return overlap >= STABLE_IOU * union, best


def _draw_compact(regions: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return int32 (H, W): those of the chosen regions whose shape is an object's, holes filled, as 1..N."""
    labels = np.zeros(regions.shape, np.int32)
    n_drawn = 0
    for region in chosen:
        contours, _ = cv2.findContours((regions == region).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(contours, key=cv2.contourArea)
        area, hull = cv2.contourArea(outline), cv2.contourArea(cv2.convexHull(outline))
        if MIN_SIZE_PX / 2 <= area <= MAX_AREA_SHARE * regions.size and area >= MIN_SOLIDITY * hull:
            n_drawn += 1
            cv2.drawContours(labels, [outline], -1, n_drawn, cv2.FILLED)
    return labels
