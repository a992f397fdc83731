"""What a dataset's job is asked for and what it tells, as JSON."""

from __future__ import annotations

from typing import Any, TypedDict

from server.datasets.building.settings import BuildSettings, Gate, Shares, read_prompt
from server.datasets.building.summary import BuildSummary

# Of sentences about the labels; the result's records hold all.
MAX_NOTES = 100


class DatasetOptions(TypedDict):
    """How masks are made from boxes; see `BuildSettings` and `Gate`, which choose by the prompt where there is None.

    `format` is that of the labels, `classes` are names by their values, or None for those that the archive names or the
    labels use.
    """

    name: str
    format: str
    classes: list[str] | None
    prompt: str
    multimask: bool
    constrain: bool
    with_difficult: bool
    min_iou: float | None
    min_stability: float | None
    min_box_iou: float
    min_area_ratio: float
    max_area_ratio: float
    validation: float
    test: float
    checkpoint: str


def read_settings(options: DatasetOptions) -> BuildSettings:
    """Return the engine's settings; they may still be out of range.

    Raises:
        BadParameter: the prompt has unknown parts.
    """
    gate = Gate(
        options["min_iou"],
        options["min_stability"],
        options["min_box_iou"],
        options["min_area_ratio"],
        options["max_area_ratio"],
    )
    return BuildSettings(
        prompt=read_prompt(options["prompt"]),
        multimask=options["multimask"],
        gate=gate,
        constrain=options["constrain"],
        with_difficult=options["with_difficult"],
        shares=Shares(options["validation"], options["test"]),
    )


def describe_summary(summary: BuildSummary, mean_predicted_iou: float | None, n_left_out: int) -> dict[str, Any]:
    """Return what clients are told about a finished dataset.

    Args:
        summary: counts of the dataset.
        mean_predicted_iou: of all masks that were kept.
        n_left_out: files of the archive that are neither images nor labels.
    """
    return {
        "n_images": summary.n_images,
        "n_in": summary.n_in,
        "n_kept": summary.n_kept,
        "n_cut": summary.n_cut,
        "rejected": summary.rejected,
        "unusable": summary.unusable,
        "classes": [
            {"name": name, "n_in": summary.in_by_class[name], "n_kept": n_kept}
            for name, n_kept in summary.kept_by_class.items()
        ],
        "mean_predicted_iou": mean_predicted_iou,
        "n_files_left_out": n_left_out,
        "notes": list(summary.notes[:MAX_NOTES]),
    }
