"""The picture of an evaluation: how much is found by size of objects, and the best and the worst single clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from server.datasets.scenes import Dataset, LabelledScene
from server.rasters.windows import PixelWindow
from server.segmentation.prompting.rated_masks import PromptedNetwork
from server.segmentation.whole_raster.rectangles import slices_of
from server.training.evaluation.looking import Mask, SceneViewer
from server.training.evaluation.meant_objects import MeantObject, find_meant_object
from server.training.evaluation.scene_scores import SceneScores
from server.training.evaluation.summary import FOUND_IOU

FIGURE_FILE = "report.png"
N_CASES = 4
# Sides of squares as large as the objects, in pixels; COCO's limits 32 and 96 are among them.
SIZE_LIMITS_PX = (16, 32, 64, 96, 192)
SIZE_NAMES = ("< 16", "16-32", "32-64", "64-96", "96-192", "> 192")
TRUE_COLOUR, DRAWN_COLOUR = (60, 220, 60), (255, 60, 60)
PICTURE_PX = 220


@dataclass(frozen=True)
class Case:
    """One object and how well one click found it."""

    set_title: str
    scene: str
    object_id: int
    iou: float


def draw_figure(
    path: Path, scores: Sequence[SceneScores], datasets: Mapping[str, Dataset], network: PromptedNetwork
) -> None:
    """Write the picture.

    Args:
        path: PNG to write.
        scores: of all scenes; there may be none with prompts.
        datasets: by title, to show cases.
        network: clicks once more on the objects that are shown.
    """
    best, worst = choose_cases(scores)
    figure = Figure(figsize=(12, 9.5), layout="constrained")
    grid = figure.add_gridspec(3, N_CASES)
    _draw_sizes(figure.add_subplot(grid[0, :]), scores)
    for row, (cases, caption) in enumerate(((best, "best"), (worst, "worst")), start=1):
        for col, case in enumerate(cases):
            axes = figure.add_subplot(grid[row, col])
            axes.axis("off")
            axes.imshow(_draw_case(case, datasets[case.set_title], network))
            axes.set_title(f"{caption}: {case.scene}, IoU {case.iou:.2f}", fontsize=8)
    figure.supxlabel("One click at the centre: the object in green, the mask ranked first in red", fontsize=10)
    figure.savefig(path, dpi=110)


def choose_cases(scores: Sequence[SceneScores]) -> tuple[list[Case], list[Case]]:
    """Return the best and the worst clicks, at most one of each scene as long as there are enough scenes."""
    cases = [
        Case(scene.set_title, scene.scene, item.object_id, item.prompts.first[0])
        for scene in scores
        for item in scene.objects
    ]
    by_iou = sorted(cases, key=lambda case: -case.iou)
    return _spread(by_iou), _spread(by_iou[::-1])


def _spread(ordered: list[Case]) -> list[Case]:
    """Return the first cases, those of scenes that were not shown yet before others."""
    seen: set[tuple[str, str]] = set()
    fresh: list[Case] = []
    others: list[Case] = []
    for case in ordered:
        (others if (case.set_title, case.scene) in seen else fresh).append(case)
        seen.add((case.set_title, case.scene))
    return [*fresh, *others][:N_CASES]


def _draw_sizes(axes: Axes, scores: Sequence[SceneScores]) -> None:
    """Draw the share of objects that are found, for each size, when clicked on, boxed, and in everything-mode."""
    objects = [item for scene in scores for item in scene.objects]
    windows = [item for scene in scores for item in scene.windows]
    clicked = [(item.area_px, item.prompts.first[0]) for item in objects]
    boxed = [(item.area_px, item.prompts.box) for item in objects]
    found = [pair for item in windows for pair in zip(item.areas_px, item.best_ious, strict=True)]
    places = np.arange(len(SIZE_NAMES))
    for offset, (name, pairs) in enumerate((("one click", clicked), ("box", boxed), ("everything-mode", found))):
        if pairs:
            shares = share_by_size(pairs)
            axes.bar(places + 0.27 * (offset - 1), np.nan_to_num(shares), 0.25, label=f"{name} ({len(pairs)} objects)")
    axes.set_xticks(places, SIZE_NAMES)
    axes.set_ylim(0, 1)
    axes.set_xlabel("size of objects: square root of the area, px")
    axes.set_ylabel(f"share with IoU of {FOUND_IOU} or more")
    if objects or windows:
        axes.legend(fontsize=8)


def share_by_size(pairs: Sequence[tuple[int, float]]) -> NDArray[np.float64]:
    """Return, for each of `SIZE_NAMES`, the share of (area in pixels, IoU) pairs that are found; NaN without any."""
    areas, ious = np.array(pairs, np.float64).T
    places = np.digitize(np.sqrt(areas), SIZE_LIMITS_PX)
    found = np.bincount(places[ious >= FOUND_IOU], minlength=len(SIZE_NAMES))
    known = np.bincount(places, minlength=len(SIZE_NAMES))
    return np.asarray(np.divide(found, known, out=np.full(len(SIZE_NAMES), np.nan), where=known > 0))


def _draw_case(case: Case, dataset: Dataset, network: PromptedNetwork) -> NDArray[np.uint8]:
    scene = dataset[dataset.names.index(case.scene)]
    meant = find_meant_object(scene.objects, case.object_id)
    offered = SceneViewer(scene.rgb, network).ask([meant.first_click()], multimask=True)
    window = _around(meant, scene)
    truth = scene.objects[slices_of(window, _whole(scene))] == case.object_id
    drawn = offered[0].on(window) if offered else np.zeros_like(truth)
    picture = np.ascontiguousarray(scene.rgb[slices_of(window, _whole(scene))])
    return _outline(picture, truth, drawn)


def _around(meant: MeantObject, scene: LabelledScene) -> PixelWindow:
    """Return a square window around an object with half its size free on every side, inside the scene."""
    col, row, width, height = meant.window
    side = max(2 * max(width, height), 64)
    whole = _whole(scene)
    left = min(max(col + width // 2 - side // 2, 0), max(whole.width - side, 0))
    top = min(max(row + height // 2 - side // 2, 0), max(whole.height - side, 0))
    return PixelWindow(left, top, min(side, whole.width), min(side, whole.height))


def _outline(picture: NDArray[np.uint8], truth: Mask, drawn: Mask) -> NDArray[np.uint8]:
    """Return the picture in a size fit to be looked at, with both outlines."""
    share = PICTURE_PX / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * share)), max(1, round(picture.shape[0] * share)))
    shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_CUBIC)
    for mask, colour in ((truth, TRUE_COLOUR), (drawn, DRAWN_COLOUR)):
        large = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(shown, contours, -1, colour, 1)
    return np.asarray(shown, np.uint8)


def _whole(scene: LabelledScene) -> PixelWindow:
    return PixelWindow(0, 0, scene.objects.shape[1], scene.objects.shape[0])
