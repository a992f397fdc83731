"""Writes down, for whoever gets the dataset, what it holds, how it was made and what it may be used for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from server.datasets.building.painting import RULE, UNLABELLED
from server.datasets.building.settings import BOX, BuildSettings, write_prompt
from server.datasets.building.summary import BuildSummary

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Provenance:
    """What cannot be read from the files.

    Attributes:
        title: of the dataset.
        image_source: where the images come from.
        image_licence: under which they may be used.
        label_licence: of the boxes; masks made from them depend on it.
    """

    title: str = "Masks from boxes"
    image_source: str = NOT_STATED
    image_licence: str = NOT_STATED
    label_licence: str = NOT_STATED


@dataclass(frozen=True)
class Making:
    """How the dataset was made.

    Attributes:
        format: of the boxes.
        checkpoint: name of the network.
        checkpoint_sha256: digest of its file.
        version: of this software.
        grouping: how images were assigned to areas, in words.
    """

    format: str
    checkpoint: str
    checkpoint_sha256: str
    version: str
    grouping: str


def render_data_sheet(
    summary: BuildSummary,
    settings: BuildSettings,
    provenance: Provenance,
    making: Making,
    splits: Mapping[str, str],
) -> str:
    """Return the data sheet as Markdown."""
    introduction = (
        f"{summary.n_kept} instances of {len(summary.kept_by_class)} classes in {summary.n_images} images. The masks "
        "were drawn by a network from boxes or points that people or detectors had drawn, and checked by rules; nobody "
        "looked at every one of them."
    )
    parts = [
        f"# {provenance.title}",
        introduction,
        "## Classes\n\n" + _render_classes(summary),
        "## From boxes to masks\n\n" + _render_counts(summary),
        "## How it was made\n\n" + _render_making(settings, making),
        "## Parts\n\n" + _render_parts(splits, settings, making),
        "## Licence and origin\n\n"
        + _render_rows(
            {
                "Images from": provenance.image_source,
                "Licence of the images": provenance.image_licence,
                "Licence of the boxes": provenance.label_licence,
            }
        ),
        "## Files\n\n" + _FILES,
    ]
    return "\n\n".join(parts) + "\n"


_FILES = (
    "- `instances.json`: COCO; ids are unique in the whole dataset, `instance_id` is the value in the map of objects, "
    "`category_id` that in the map of classes plus 1, `score` the predicted IoU, `corners` are those of the box.\n"
    "- `rejected.json`: masks that did not pass, in the same form, with the reason in `rejected`.\n"
    f"- `masks/`: classes as PNG with colours, {UNLABELLED} where nothing is labelled. Unlabelled is not background: "
    "what has no box has no mask.\n"
    "- `instances/`: object ids in 16 bits, in 32 bits as GeoTIFF where an image has more than 65535.\n"
    "- `geotiff/`, `geopackage/`: the same and outlines on the map, of georeferenced images only.\n"
    "- `report.html`: numbers, figures and examples, for a browser.\n"
    "- `classes.json`: names and values. `splits.json`: parts. `manifest.json`: SHA-256 of every file.\n"
    "- `records/`: what became of each image's boxes, for an interrupted run. `plan.json`: what was asked for."
)


def _render_classes(summary: BuildSummary) -> str:
    lines = ["| Value | Class | Boxes | Instances |", "| ---: | --- | ---: | ---: |"]
    for value, (name, n_kept) in enumerate(summary.kept_by_class.items()):
        lines.append(f"| {value} | {name} | {summary.in_by_class[name]} | {n_kept} |")
    return "\n".join(lines)


def _render_counts(summary: BuildSummary) -> str:
    rows = {"Images left out, as they cannot be read": len(summary.left_out)} if summary.left_out else {}
    rows |= {"Boxes or points read": summary.n_in}
    rows |= {f"not used: {reason.replace('_', ' ')}": number for reason, number in summary.unusable.items()}
    rows |= {f"rejected: {reason.replace('_', ' ')}": number for reason, number in summary.rejected.items()}
    rows |= {"Instances kept": summary.n_kept, "of all boxes, cut at the border of their image": summary.n_cut}
    return _render_rows(rows)


def _render_making(settings: BuildSettings, making: Making) -> str:
    gate = settings.gate
    rows: dict[str, object] = {
        "Boxes in the format": making.format,
        "Network": f"{making.checkpoint}, SHA-256 {making.checkpoint_sha256}",
        "Software": f"Segment Anything in Remote Sensing Images {making.version}",
        "Prompt": write_prompt(settings.prompt),
    }
    rows |= {f"Prompt of {name}": write_prompt(kind) for name, kind in sorted(settings.class_prompts.items())}
    rows |= {
        "Candidates": "several, the best by predicted IoU times IoU of boxes" if settings.multimask else "one",
        "Masks cut to their boxes": "yes" if settings.constrain else "no",
        "Difficult objects": "used" if settings.with_difficult else "left out",
        "Predicted IoU and stability at least, with a box": "{:g}, {:g}".format(*gate.min_ratings(BOX)),
        "Predicted IoU and stability at least, without": "{:g}, {:g}".format(*gate.min_ratings(frozenset())),
        "IoU of mask's box and box at least": gate.min_box_iou,
        "Area of mask over area of box": f"{gate.min_area_ratio:g} to {gate.max_area_ratio:g}",
        "Overlaps": RULE,
    }
    return _render_rows(rows)


def _render_parts(splits: Mapping[str, str], settings: BuildSettings, making: Making) -> str:
    counts = Counter(splits.values())
    rows = {name.capitalize(): f"{number} images" for name, number in sorted(counts.items())}
    return f"Images were assigned {making.grouping}, seed {settings.seed}; areas are never parted.\n\n" + _render_rows(
        rows
    )


def _render_rows(rows: Mapping[str, object]) -> str:
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())])
