"""Duplicates are dropped exactly as the package drops them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops.boxes import batched_nms

from server.segmentation.automatic.suppression import suppress_overlaps


@pytest.mark.parametrize("n_boxes", [1, 50, 1500])
@pytest.mark.parametrize("n_scores", [2, 10_000])
@pytest.mark.parametrize("iou_threshold", [0.0, 0.3, 0.7, 1.0])
def test_kept_boxes_are_those_of_the_package(n_boxes: int, n_scores: int, iou_threshold: float) -> None:
    rng = np.random.default_rng(n_boxes)
    corners, sizes = rng.integers(0, 300, (n_boxes, 2)), rng.integers(1, 80, (n_boxes, 2))
    scores = (rng.integers(0, n_scores, n_boxes) / n_scores).astype(np.float32)
    theirs = batched_nms(
        torch.from_numpy(np.hstack([corners, corners + sizes - 1])).float(),
        torch.from_numpy(scores),
        torch.zeros(n_boxes),
        iou_threshold,
    )
    boxes = [tuple(row) for row in np.hstack([corners, sizes]).tolist()]
    ours = suppress_overlaps(boxes, scores, iou_threshold)
    assert sorted(ours) == sorted(theirs.tolist())
    # Beyond 1000 boxes the package leaves the order of equal scores open.
    np.testing.assert_array_equal(scores[ours], scores[theirs.numpy()])


def test_nothing_stays_nothing() -> None:
    assert suppress_overlaps([], [], 0.7) == []
