"""COCO's average precision and recall of object masks, computed by its own package."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from server.training.metrics.pixels import Mask

# COCO looks at 100 masks per image; a window of a town has more objects than that.
MAX_MASKS_PER_IMAGE = 1000


@dataclass(frozen=True)
class ImageMasks:
    """True and predicted objects of one image.

    Attributes:
        truth: int32 (H, W), ids from 1, 0 none, -1 unknown; masks that lie mostly on unknown ground count as neither.
        masks: bool (H, W) each.
        scores: of the masks, higher is surer.
    """

    truth: NDArray[np.int32]
    masks: Sequence[Mask]
    scores: Sequence[float]


@dataclass(frozen=True)
class InstanceScores:
    """Means 0..1 over IoU thresholds 0.5, 0.55, … 0.95; NaN where there are no true objects at all.

    Attributes:
        ap: average precision.
        ap50: average precision at IoU 0.5.
        ap75: average precision at IoU 0.75.
        recall: greatest recall, of at most 1000 masks per image.
        recall50: the same at IoU 0.5.
    """

    ap: float
    ap50: float
    ap75: float
    recall: float
    recall50: float


def score_instances(images: Sequence[ImageMasks]) -> InstanceScores:
    """Return average precision and recall over all images together."""
    with contextlib.redirect_stdout(io.StringIO()):  # the package tells of every step
        evaluation = COCOeval(_truth(images), _predictions(images), "segm")
        evaluation.params.maxDets = [MAX_MASKS_PER_IMAGE]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, 0, 0]  # (thresholds, recalls)
    recall = evaluation.eval["recall"][:, 0, 0, 0]
    if (recall < 0).all():  # COCO's mark of nothing to find
        return InstanceScores(*[float("nan")] * 5)
    return InstanceScores(
        ap=float(precision.mean()),
        ap50=float(precision[0].mean()),
        ap75=float(precision[5].mean()),
        recall=float(recall.mean()),
        recall50=float(recall[0]),
    )


def _truth(images: Sequence[ImageMasks]) -> COCO:
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        for label in np.unique(image.truth[image.truth != 0]).tolist():
            # Unknown ground is a crowd: what lies on it is forgiven, and it need not be found.
            annotations.append(_annotate(number, image.truth == label) | {"iscrowd": int(label < 0)})
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    return _index(images, annotations)


def _predictions(images: Sequence[ImageMasks]) -> COCO:
    annotations = [
        _annotate(number, mask) | {"score": float(score), "iscrowd": 0}
        for number, image in enumerate(images, start=1)
        for mask, score in zip(image.masks, image.scores, strict=True)
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    return _index(images, annotations)


def _annotate(image_number: int, mask: Mask) -> dict[str, Any]:
    return {
        "image_id": image_number,
        "category_id": 1,
        "segmentation": run_lengths.encode(np.asfortranarray(mask, np.uint8)),
        "area": int(np.count_nonzero(mask)),
    }


def _index(images: Sequence[ImageMasks], annotations: list[dict[str, Any]]) -> COCO:
    coco = COCO()
    rows = [
        {"id": number, "height": image.truth.shape[0], "width": image.truth.shape[1]}
        for number, image in enumerate(images, start=1)
    ]
    coco.dataset = {"images": rows, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}
    coco.createIndex()
    return coco
