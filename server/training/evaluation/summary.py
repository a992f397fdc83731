"""Means over objects and windows: one row for each set and method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from server.training.evaluation.baselines import SCALES
from server.training.evaluation.clicking import REPORTED_CLICKS, PromptScores
from server.training.evaluation.finding import FindingScores
from server.training.evaluation.scene_scores import ObjectScores, SceneScores
from server.training.metrics.clicks import count_clicks

FOUND_IOU = 0.5
TARGETS = (0.80, 0.85, 0.90)


@dataclass(frozen=True)
class SummaryRow:
    """One method on one set; what a method cannot do is None.

    Attributes:
        set_title: of the set.
        method: the checkpoint, or a baseline.
        n_images: that were measured.
        n_objects: that were prompted.
        first: mean IoU of the mask ranked first, after each of `REPORTED_CLICKS`.
        best: mean IoU of the best mask offered.
        box: mean IoU for exact boxes.
        clicks_needed: NoC for each of `TARGETS`; objects that never reach it count with all clicks tried.
        share_failed: of objects that never reach the target, for each of `TARGETS`.
        recall50: everything-mode, share of all objects in all windows with a mask of IoU 0.5.
        average_recall: everything-mode, recall over IoU 0.5:0.95, mean of windows.
        average_precision: everything-mode, COCO's AP, mean of windows.
        coverage: everything-mode, share of the known ground that belongs to a mask.
    """

    set_title: str
    method: str
    n_images: int
    n_objects: int
    first: list[float | None]
    best: list[float | None]
    box: float | None = None
    clicks_needed: list[float] | None = None
    share_failed: list[float] | None = None
    recall50: float | None = None
    average_recall: float | None = None
    average_precision: float | None = None
    coverage: float | None = None


def summarise(scores: Sequence[SceneScores], checkpoint: str, max_clicks: int) -> list[SummaryRow]:
    """Return the rows of all sets in the order of their first scene: the checkpoint, then what baselines there are."""
    rows: list[SummaryRow] = []
    for title in dict.fromkeys(item.set_title for item in scores):
        rows += _summarise_set(title, [item for item in scores if item.set_title == title], checkpoint, max_clicks)
    return rows


def _summarise_set(title: str, scenes: list[SceneScores], checkpoint: str, max_clicks: int) -> list[SummaryRow]:
    objects = [item for scene in scenes for item in scene.objects]
    windows = [item for scene in scenes for item in scene.windows]
    rows = [_summarise_network(title, checkpoint, len(scenes), objects, windows, max_clicks)]
    if any(item.felzenszwalb for item in objects) or any(item.felzenszwalb for item in windows):
        rows += _summarise_colour(title, len(scenes), objects, windows)
    boxes = [item.filled_box for item in objects if item.filled_box is not None]
    if boxes:
        rows.append(SummaryRow(title, "box filled", len(scenes), len(boxes), _nothing(), _nothing(), _mean(boxes)))
    untrained = [item.untrained for item in objects if item.untrained is not None]
    if untrained:
        first, best = _after_clicks(untrained, n_reported=1)
        box = _mean([item.box for item in untrained])
        rows.append(SummaryRow(title, "random weights", len(scenes), len(untrained), first, best, box))
    return rows


def _summarise_network(
    title: str,
    checkpoint: str,
    n_images: int,
    objects: list[ObjectScores],
    windows: list[FindingScores],
    max_clicks: int,
) -> SummaryRow:
    prompts = [item.prompts for item in objects]
    first, best = _after_clicks(prompts, n_reported=sum(clicks <= max_clicks for clicks in REPORTED_CLICKS))
    ious = np.array([item.first + [np.nan] * (max_clicks - len(item.first)) for item in prompts])
    needed = [count_clicks(ious, target) for target in TARGETS] if prompts else None
    return SummaryRow(
        set_title=title,
        method=checkpoint,
        n_images=n_images,
        n_objects=len(objects),
        first=first,
        best=best,
        box=_mean([item.box for item in prompts]),
        clicks_needed=None if needed is None else [item.mean for item in needed],
        share_failed=None if needed is None else [item.share_failed for item in needed],
        recall50=_share_found([iou for item in windows for iou in item.best_ious]),
        average_recall=_mean([item.recall for item in windows]),
        average_precision=_mean([item.ap for item in windows]),
        coverage=_coverage(windows),
    )


def _summarise_colour(
    title: str, n_images: int, objects: list[ObjectScores], windows: list[FindingScores]
) -> list[SummaryRow]:
    """Return Felzenszwalb at its best single scale, and with the best scale picked for each object by an oracle."""
    clicked = np.array([item.felzenszwalb for item in objects if item.felzenszwalb]).reshape(-1, len(SCALES))
    found = [np.array(item.felzenszwalb).reshape(len(SCALES), -1) for item in windows if item.felzenszwalb]
    everywhere = np.concatenate(found, axis=1) if found else np.zeros((len(SCALES), 0))

    def row(method: str, choose: Callable[[np.ndarray], float]) -> SummaryRow:
        first = [choose(clicked.T) if len(clicked) else None, *_nothing()[1:]]
        recall = choose(everywhere >= FOUND_IOU) if everywhere.size else None
        return SummaryRow(title, method, n_images, len(clicked), first, first, recall50=recall)

    return [
        row("Felzenszwalb, best scale", lambda values: float(values.mean(axis=1).max())),
        row("Felzenszwalb, oracle of three", lambda values: float(values.max(axis=0).mean())),
    ]


def _after_clicks(prompts: list[PromptScores], n_reported: int) -> tuple[list[float | None], list[float | None]]:
    """Return mean IoUs of first and best masks after `REPORTED_CLICKS`, None after the first `n_reported` of them.

    Where clicking ended early because the mask was good, its last IoU counts for further clicks.
    """
    first, best = _nothing(), _nothing()
    for index, clicks in enumerate(REPORTED_CLICKS[:n_reported]):
        first[index] = _mean([item.first[min(clicks, len(item.first)) - 1] for item in prompts])
        best[index] = _mean([item.best[index] for item in prompts])
    return first, best


def _nothing() -> list[float | None]:
    return [None] * len(REPORTED_CLICKS)


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean of the values that are numbers, None where there are none."""
    numbers = [value for value in values if not np.isnan(value)]
    return float(np.mean(numbers)) if numbers else None


def _share_found(ious: list[float]) -> float | None:
    return float(np.mean(np.array(ious) >= FOUND_IOU)) if ious else None


def _coverage(windows: list[FindingScores]) -> float | None:
    n_known = sum(item.n_known_px for item in windows)
    return sum(item.n_covered_px for item in windows) / n_known if n_known else None
