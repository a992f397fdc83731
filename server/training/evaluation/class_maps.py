"""Compares label rasters of classes with true ones: pixel scores, outlines and centre lines for each class."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from server.datasets.errors import BadDataset
from server.datasets.scenes import UNKNOWN, Dataset, LabelledScene, list_names
from server.training.metrics.boundaries import measure_boundary_f1
from server.training.metrics.centre_lines import measure_cl_dice
from server.training.metrics.pixels import PixelCounts, PixelScores, count_pixels, score_macro, score_micro


@dataclass(frozen=True)
class ClassScores:
    """How well one class was mapped.

    Attributes:
        name: of the class.
        micro: of all pixels of all scenes together.
        macro: mean of the scenes.
        boundary_f1: mean of the scenes.
        cl_dice: mean of the scenes.
    """

    name: str
    micro: PixelScores
    macro: PixelScores
    boundary_f1: float
    cl_dice: float


@dataclass(frozen=True)
class _SceneOfClass:
    counts: PixelCounts
    boundary_f1: float
    cl_dice: float


def compare_class_maps(
    truth: Dataset, predicted: Dataset, tolerance_px: float, tell: Callable[[str], object]
) -> list[ClassScores]:
    """Compare two datasets over the same images, class by class.

    Args:
        truth: what is right; unknown ground counts as neither.
        predicted: what was mapped; unknown there counts as not mapped.
        tolerance_px: of boundaries.
        tell: called with the name before every scene; may raise to stop.

    Returns:
        One entry for each class of `truth`, in its order.

    Raises:
        BadDataset: the datasets differ in their scenes or classes.
    """
    _check_pairs(truth, predicted)
    measured: dict[str, list[_SceneOfClass]] = {name: [] for name in truth.class_names}
    for index, name in enumerate(truth.names):
        tell(name)
        meant, mapped = truth[index], predicted[predicted.names.index(name)]
        for number, class_name in enumerate(truth.class_names, start=1):
            own_number = predicted.class_names.index(class_name) + 1
            measured[class_name].append(_compare(meant, number, mapped, own_number, tolerance_px))
    return [_summarise(name, scenes) for name, scenes in measured.items()]


def render_class_table(scores: list[ClassScores]) -> str:
    """Return the scores as a Markdown table; pixel scores are micro / macro."""
    names = [field.name for field in dataclasses.fields(PixelScores)]
    head = ["Class", *(name.replace("iou", "IoU").replace("dice", "Dice = F1") for name in names)]
    lines = [" | ".join(["", *head, "Boundary F1", "clDice", ""]).strip()]
    lines.append("|" + " --- |" + " ---: |" * (len(names) + 2))
    for item in scores:
        pixels = [f"{getattr(item.micro, name):.3f} / {getattr(item.macro, name):.3f}" for name in names]
        lines.append(" | ".join(["", item.name, *pixels, f"{item.boundary_f1:.3f}", f"{item.cl_dice:.3f}", ""]).strip())
    return "\n".join(lines) + "\n"


def _check_pairs(truth: Dataset, predicted: Dataset) -> None:
    missing = set(truth.class_names) - set(predicted.class_names)
    if missing:
        raise BadDataset(
            f"The label rasters have no class {list_names(missing)}; they have {list_names(predicted.class_names)}.",
            "predicted",
        )
    absent = set(truth.names) - set(predicted.names)
    if absent:
        raise BadDataset(
            f"{len(absent)} images have no label raster of the same name: {list_names(absent)}. Segment them too, or "
            "leave them out.",
            "predicted",
        )


def _compare(
    meant: LabelledScene, number: int, mapped: LabelledScene, own_number: int, tolerance_px: float
) -> _SceneOfClass:
    known = meant.classes != UNKNOWN
    true_mask, mask = meant.classes == number, mapped.classes == own_number
    return _SceneOfClass(
        count_pixels(mask, true_mask, known),
        measure_boundary_f1(mask, true_mask, tolerance_px, known),
        measure_cl_dice(mask, true_mask, known),
    )


def _summarise(name: str, scenes: list[_SceneOfClass]) -> ClassScores:
    counts = [scene.counts for scene in scenes]
    return ClassScores(
        name,
        score_micro(counts),
        score_macro(counts),
        float(np.mean([scene.boundary_f1 for scene in scenes])),
        float(np.mean([scene.cl_dice for scene in scenes])),
    )
