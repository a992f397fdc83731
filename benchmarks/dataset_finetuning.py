"""What masks made from boxes are worth as labels: fine-tuning on them beside fine-tuning on true masks.

Regions 1, 2 and 4 of fAIr: the first two to learn from, the last one to choose the best step by. One side has masks
that `build-dataset` draws from the footprints' upright boxes, the other the footprints; checkpoint, settings, seed,
steps and images are the same, and all is done by the commands as people call them. Both are scored on the true masks of
region 3, which neither saw. The embedded checkpoint itself learned from regions 1, 2 and 4, so it draws better masks
there than it would elsewhere; the masks' IoU with the footprints is told beside.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.dataset_footprints import (
    CLASS_NAME,
    DATA,
    OutlinedImage,
    compare,
    find_footprints,
    lay_out_boxes,
    list_regions,
)
from server.commands import main as command_line
from server.datasets.known_sets import open_fair
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.networks.loading import load_network
from server.training.finetuning.measuring import measure_class
from server.training.finetuning.task import class_network

RESULTS = Path(__file__).parent / "results" / "dataset_finetuning"
BASE = "embedded"
LEARNED, VALIDATED = (1, 2), 4
AREAS = ("--areas-by", "name", "--area-pattern", r"region(\d)")
TARGET_IOU = 0.05
TRUE, GENERATED, BUILT = "true masks", "masks from boxes", "generated"
Boxes = tuple[Path, Path, str]


def main(arguments: Sequence[str]) -> int:
    """Build, fine-tune twice, score, print a table; what an earlier call finished in --out is not done again."""
    chosen = _parse(arguments)
    torch.set_num_threads(chosen.threads)
    images = list_regions(chosen.data, (*LEARNED, VALIDATED))
    ckpt_folder: Path = chosen.out / "ckpt"
    ckpt_folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(CHECKPOINT_FOLDER / f"{BASE}.safetensors", ckpt_folder)
    boxes = _lay_out(chosen, images)
    report: dict[str, Any] = {"before": _score(chosen, ckpt_folder, BASE)}
    for title, make_labels in ((TRUE, _link_truth), (GENERATED, _build)):
        _fine_tune(chosen, ckpt_folder, title, make_labels(chosen, images, boxes))
        report[title] = _score(chosen, ckpt_folder, _name(title))
    report["labels"] = _compare_labels(chosen.out / BUILT, images)
    report |= _compare_sides(report)
    for line in write_table(report):
        print(line)
    (chosen.out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if chosen.json:
        print(json.dumps(report))
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset_finetuning", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER", help="of results; taken up again")
    parser.add_argument("--steps", type=int, default=120, metavar="N", help="of each fine-tuning")
    parser.add_argument("--views", type=int, default=2, metavar="N", help="kept views of every window")
    parser.add_argument("--validate-every", type=int, default=40, metavar="N", help="steps")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _lay_out(chosen: argparse.Namespace, images: Sequence[OutlinedImage]) -> Boxes:
    """Return images, boxes and their format."""
    folder = chosen.out / "boxes"
    shutil.rmtree(folder, ignore_errors=True)
    return lay_out_boxes(images, folder, find_footprints)


def _link_truth(chosen: argparse.Namespace, images: Sequence[OutlinedImage], _: Boxes) -> tuple[object, ...]:
    """Return the options that say where the footprints are."""
    folder = chosen.out / "truth"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for item in images:
        (folder / item.ids.name).symlink_to(item.ids.resolve())
    return "--masks", folder, "--mask-suffix", "_instances"


def _build(chosen: argparse.Namespace, _: Sequence[OutlinedImage], boxes: Boxes) -> tuple[object, ...]:
    """Make masks of the boxes and return the options that say where they are."""
    folder, labels, kind = boxes
    words = ("--images", folder, "--boxes", labels, "--format", kind, "--out", chosen.out / BUILT, "--workers", 1)
    _call("build-dataset", *words, "--threads", chosen.threads)
    return "--masks", chosen.out / BUILT / "instances.json"


def _compare_labels(out: Path, images: Sequence[OutlinedImage]) -> dict[str, float]:
    """Return how the masks fit the footprints in the regions that are learned from."""
    found = [compared for item in images[: len(LEARNED)] for compared in compare(out, item, find_footprints)]
    kept = [item.iou for item in found if "rejected" not in item.annotation]
    return {"boxes": len(found), "kept": len(kept), "kept_miou": round(float(np.mean(kept)), 4)}


def _fine_tune(chosen: argparse.Namespace, ckpt_folder: Path, title: str, labels: Sequence[object]) -> None:
    """Write a checkpoint, unless an earlier call did."""
    if not (ckpt_folder / f"{_name(title)}.safetensors").is_file():
        _call(
            "finetune",
            *("--images", chosen.out / "boxes" / "images", *labels, *AREAS, "--hold-out", VALIDATED),
            *("--class", CLASS_NAME, "--checkpoint", BASE, "--out", _name(title), "--ckpt-folder", ckpt_folder),
            *("--folder", chosen.out / _name(title), "--cache-folder", chosen.out / "embeddings"),
            *("--steps", chosen.steps, "--views", chosen.views, "--validate-every", chosen.validate_every),
            *("--seed", chosen.seed, "--threads", chosen.threads, "--device", "cpu", "--licence", "benchmark only"),
        )


def _score(chosen: argparse.Namespace, ckpt_folder: Path, name: str) -> dict[str, float]:
    """Return IoUs on region 3: of the class without prompts, and of masks by exact boxes and by one click."""
    network = class_network(load_network(ckpt_folder, name, torch.device("cpu")))
    class_iou = measure_class(network, open_fair(chosen.data), 1).iou
    out = chosen.out / "scores" / name
    _call(
        "evaluate",
        *("--data", chosen.data, "--set", "fair", "--modes", "prompts", "--max-objects-per-image", 200),
        *("--max-clicks", 1, "--checkpoint", name, "--ckpt-folder", ckpt_folder, "--device", "cpu"),
        *("--threads", chosen.threads, "--out", out),
    )
    row = json.loads((out / "report.json").read_text(encoding="utf-8"))["rows"][0]
    figures = {"class_iou": class_iou, "box_iou": row["box"], "click_iou": row["first"][0]}
    return {key: round(value, 4) for key, value in figures.items()}


def _compare_sides(report: dict[str, Any]) -> dict[str, Any]:
    true, generated = report[TRUE], report[GENERATED]
    differences = {f"{key}_difference": round(generated[key] - true[key], 4) for key in ("class_iou", "box_iou")}
    is_met = all(abs(value) <= TARGET_IOU for value in differences.values())
    return {**differences, "target": TARGET_IOU, "is_met": is_met}


def write_table(report: dict[str, Any]) -> list[str]:
    """Return a Markdown table."""
    lines = [
        "| fine-tuned on | class without prompts: IoU | exact box: mean IoU | one click: mean IoU |",
        "| --- | ---: | ---: | ---: |",
    ]
    for title in ("before", TRUE, GENERATED):
        found = report[title]
        lines.append(f"| {title} | {found['class_iou']:.3f} | {found['box_iou']:.3f} | {found['click_iou']:.3f} |")
    return lines


def _name(title: str) -> str:
    return title.replace(" ", "_")


def _call(*words: object) -> None:
    """Run a command of the product; what it prints is of no interest unless it fails."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = command_line.main([str(word) for word in words])
    if status:
        sys.exit(f"{words[0]} ended with {status}:\n{told.getvalue()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
