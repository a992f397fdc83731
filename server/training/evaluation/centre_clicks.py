"""A quick look at a network in training: one click at the centre of every object of images it has never seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamPredictor

from server.segmentation.networks.embedded import EmbeddedSam
from server.training.labelled_images import UNKNOWN, LabelledImage
from server.training.metrics.pixels import measure_iou
from server.training.prompts import centre_click

# Smaller remains of objects at the border of a window say little about outlines.
MIN_AREA_PX = 100
PROMPTS_PER_BATCH = 16


@dataclass(frozen=True)
class ClickScores:
    """One entry per object, in order.

    Attributes:
        chosen: float64 (N,), IoU of the mask with the highest predicted IoU.
        best: float64 (N,), IoU of the best of the three masks.
        predicted: float64 (N,), predicted IoU of the chosen mask.
    """

    chosen: NDArray[np.float64]
    best: NDArray[np.float64]
    predicted: NDArray[np.float64]


def score_centre_clicks(
    network: EmbeddedSam, images: Sequence[LabelledImage], max_objects_per_window: int = 30
) -> ClickScores:
    """Click once on every object, at most `max_objects_per_window` per window, and compare the masks with it."""
    predictor = SamPredictor(network)
    rows: list[tuple[float, float, float]] = []
    for image in images:
        for window in _windows(image, network.image_encoder.img_size):
            rows.extend(_score_window(predictor, window, max_objects_per_window))
    chosen, best, predicted = np.array(rows, np.float64).reshape(-1, 3).T
    return ClickScores(chosen, best, predicted)


def _windows(image: LabelledImage, side: int) -> Iterator[LabelledImage]:
    """Cut an image into windows of at most `side` pixels, without overlap."""
    height, width = image.labels.shape
    for top in range(0, height, side):
        for left in range(0, width, side):
            window = (slice(top, top + side), slice(left, left + side))
            yield LabelledImage(image.rgb[window], image.labels[window])


def _score_window(
    predictor: SamPredictor, image: LabelledImage, max_objects: int
) -> Iterator[tuple[float, float, float]]:
    areas = np.bincount(image.labels[image.labels > 0])
    ids = np.flatnonzero(areas >= MIN_AREA_PX)
    if len(ids) > max_objects:
        ids = np.random.default_rng(0).choice(ids, max_objects, replace=False)
    if len(ids) == 0:
        return
    predictor.set_image(np.ascontiguousarray(image.rgb))
    known = image.labels != UNKNOWN
    for start in range(0, len(ids), PROMPTS_PER_BATCH):
        meant = [image.labels == label for label in ids[start : start + PROMPTS_PER_BATCH]]
        clicks = np.array([centre_click(mask) for mask in meant])
        coords = predictor.transform.apply_coords(clicks, image.labels.shape)[:, None]
        masks, predicted, _ = predictor.predict_torch(
            torch.as_tensor(coords, dtype=torch.float32), torch.ones(len(meant), 1, dtype=torch.int64)
        )
        for object_mask, drawn, expected in zip(meant, masks.numpy(), predicted.numpy(), strict=True):
            ious = [measure_iou(mask, object_mask, known) for mask in drawn]
            yield ious[int(expected.argmax())], max(ious), float(expected.max())
