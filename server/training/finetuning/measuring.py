"""Scores of the class mode on whole labelled scenes, in the same way before and after and for any other network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.datasets.scenes import UNKNOWN, Dataset
from server.rasters.windows import PixelWindow
from server.segmentation.class_mode.blending import Logits, blend
from server.segmentation.class_mode.looking import ClassNetwork
from server.segmentation.whole_raster.window_plan import plan_grid
from server.training.metrics.centre_lines import measure_cl_dice
from server.training.metrics.pixels import count_pixels, score_micro


@dataclass(frozen=True)
class ClassScores:
    """Figures 0..1 of one class.

    Attributes:
        iou: of all pixels together, as the next three.
        dice: which is F1.
        precision: share of what was found that is of the class.
        recall: share of the class that was found.
        cl_dice: mean over the scenes that show the class.
    """

    iou: float
    dice: float
    precision: float
    recall: float
    cl_dice: float


def measure_class(
    network: ClassNetwork, dataset: Dataset, class_number: int, tell: Callable[[int], object] = lambda _: None
) -> ClassScores:
    """Find the class in every scene, as the service does in rasters, and compare it with the labels where known.

    Args:
        network: what finds the class in windows.
        dataset: labelled scenes.
        class_number: of the class, from 1.
        tell: hears how many more scenes are done.
    """
    counts, cl_dices = [], []
    for scene in dataset:
        found = find_in_scene(network, scene.rgb) > 0
        is_class, is_known = scene.classes == class_number, scene.classes != UNKNOWN
        counts.append(count_pixels(found, is_class, is_known))
        if is_class.any():
            cl_dices.append(measure_cl_dice(found, is_class, is_known))
        tell(1)
    pixels = score_micro(counts)
    cl_dice = float(np.mean(cl_dices)) if cl_dices else 1.0
    return ClassScores(pixels.iou, pixels.dice, pixels.precision, pixels.recall, cl_dice)


def find_in_scene(network: ClassNetwork, rgb: NDArray[np.uint8]) -> Logits:
    """Return logits (H, W) of an image uint8 (H, W, 3) of any size, from overlapping windows."""
    height, width = rgb.shape[:2]
    logits = np.empty((height, width), np.float32)

    def look(window: PixelWindow) -> Logits:
        return network.find_class(np.ascontiguousarray(rgb[window.slices]))

    def keep(strip: PixelWindow, finished: Logits) -> None:
        logits[strip.row : strip.row + strip.height] = finished

    blend(plan_grid(PixelWindow(0, 0, width, height), network.input_size), look, keep)
    return logits
