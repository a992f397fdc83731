"""`build-dataset`: masks for boxes that people or detectors drew, as a segmentation dataset."""

from __future__ import annotations

import argparse
import dataclasses
import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from server import __version__
from server.datasets.building.building import DatasetBuilder
from server.datasets.building.data_sheet import NOT_STATED, Making, Provenance
from server.datasets.building.layout import digest_file
from server.datasets.building.opening import open_source
from server.datasets.building.settings import (
    BOX_RATINGS,
    OTHER_RATINGS,
    BuildSettings,
    Gate,
    Shares,
    check_settings,
    read_prompt,
)
from server.datasets.building.summary import BuildSummary
from server.datasets.detections.class_list import read_class_list
from server.datasets.detections.opening import FORMATS
from server.datasets.options import Grouping
from server.errors import BadParameter
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT, find_checkpoint
from server.segmentation.networks.spinning import spin_briefly

if TYPE_CHECKING:
    from server.segmentation.batch_prompts.prompts import BatchNetwork

# Windows are looked at once, so keeping what the encoder gave is of no use beyond the window.
EMBEDDING_CACHE_BYTES = 1 << 26
MAX_NOTES_TOLD = 20
GROUPINGS = {
    "image": "one by one, every image being an area of its own",
    "folder": "by area, which is the folder",
    "name": "by area, which the name tells",
    "location": "by area, which is a square block on the ground",
}


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("build-dataset", help="make masks of boxes", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, metavar="PATH", help="folder of images, or one image")
    parser.add_argument("--boxes", type=Path, required=True, metavar="PATH", help="folder of label files, or one file")
    parser.add_argument("--format", required=True, choices=FORMATS, help="of the boxes")
    parser.add_argument("--classes", type=Path, metavar="FILE", help="names: a line each, JSON, or YOLO's data.yaml")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="taken up again if interrupted")
    _add_prompt_options(parser)
    _add_gate_options(parser)
    _add_split_options(parser)
    _add_provenance_options(parser)
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME", help="see `checkpoints`")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="images at the same time, default 2")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="processor threads of each, default 1")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.set_defaults(run=run)


def _add_prompt_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prompt", default="box", metavar="KIND", help='box, point, mask, rotated-mask, or several as "box+point"'
    )
    parser.add_argument(
        "--class-prompt",
        action="append",
        default=[],
        metavar="CLASS=KIND",
        help="another prompt for a class; may be given several times",
    )
    parser.add_argument("--single-mask", action="store_true", help="one candidate in place of the best of several")
    parser.add_argument("--constrain", action="store_true", help="cut masks to their (rotated) box")
    parser.add_argument("--without-difficult", action="store_true", help="leave out objects marked as difficult")
    parser.add_argument("--window-px", type=int, metavar="N", help="side of windows in pixels of the image")


def _add_gate_options(parser: argparse.ArgumentParser) -> None:
    gate = Gate()
    for place, (name, meaning) in enumerate((("min-iou", "predicted IoU"), ("min-stability", "stability score"))):
        told = f"{meaning}, default {BOX_RATINGS[place]:g}, and {OTHER_RATINGS[place]:g} where no box is shown"
        parser.add_argument(f"--{name}", type=float, metavar="X", help=told)
    for name, value, meaning in (
        ("min-box-iou", gate.min_box_iou, "IoU of mask's box and box"),
        ("min-area-ratio", gate.min_area_ratio, "area of mask over area of box"),
        ("max-area-ratio", gate.max_area_ratio, "the same, at most"),
    ):
        parser.add_argument(f"--{name}", type=float, default=value, metavar="X", help=f"{meaning}, default {value:g}")


def _add_split_options(parser: argparse.ArgumentParser) -> None:
    shares = Shares()
    parser.add_argument(
        "--areas-by", choices=tuple(GROUPINGS), default="image", help="images of one area go into the same part"
    )
    parser.add_argument("--area-pattern", default="", metavar="REGEX", help="finds the area in an image's name")
    parser.add_argument("--block-m", type=float, default=1000.0, metavar="X", help="side of areas by place, in metres")
    parser.add_argument("--validation", type=float, default=shares.validation, metavar="X", help="share of images")
    parser.add_argument("--test", type=float, default=shares.test, metavar="X", help="share of images")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the parts, default 0")


def _add_provenance_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--title", default=Provenance().title, metavar="TEXT", help="of the data sheet")
    parser.add_argument("--image-source", default=NOT_STATED, metavar="TEXT", help="where the images come from")
    parser.add_argument("--image-licence", default=NOT_STATED, metavar="TEXT")
    parser.add_argument("--label-licence", default=NOT_STATED, metavar="TEXT", help="of the boxes")


def run(arguments: argparse.Namespace) -> int:
    """Build, print what came of it.

    Raises:
        UserError: images, boxes, an option or the checkpoint is at fault.
    """
    settings = _read_settings(arguments)
    classes = None if arguments.classes is None else read_class_list(arguments.classes)
    grouping = None
    if arguments.areas_by != "image":
        grouping = Grouping(arguments.areas_by, arguments.area_pattern, arguments.block_m)
    weights = find_checkpoint(arguments.ckpt_folder, arguments.checkpoint)
    source = open_source(arguments.images, arguments.boxes, arguments.format, classes, grouping)
    making = Making(
        arguments.format, arguments.checkpoint, digest_file(weights), __version__, GROUPINGS[arguments.areas_by]
    )
    builder = DatasetBuilder(source, settings, making, arguments.out)
    network, *others = _load(arguments)
    provenance = Provenance(arguments.title, arguments.image_source, arguments.image_licence, arguments.label_licence)
    with tqdm(total=len(source.images), unit="image") as bar:
        summary = builder.build(network, provenance, lambda n_finished: _show(bar, n_finished), others)
        seconds = bar.format_dict["elapsed"]
    _print(summary, arguments, seconds)
    return 0


def _show(bar: Any, n_finished: int) -> None:
    bar.update(n_finished - bar.n)


def _read_settings(arguments: argparse.Namespace) -> BuildSettings:
    for name in ("workers", "threads"):
        if getattr(arguments, name) < 1:
            raise BadParameter(f"--{name} is {getattr(arguments, name)}; give 1 or more.", name)
    class_prompts = {}
    for text in arguments.class_prompt:
        name, equals, kind = text.rpartition("=")
        if not equals or not name:
            raise BadParameter(f'--class-prompt is "{text[:60]}"; write it as CLASS=KIND.', "class_prompt")
        class_prompts[name] = read_prompt(kind)
    settings = BuildSettings(
        prompt=read_prompt(arguments.prompt),
        class_prompts=class_prompts,
        multimask=not arguments.single_mask,
        gate=Gate(
            arguments.min_iou,
            arguments.min_stability,
            arguments.min_box_iou,
            arguments.min_area_ratio,
            arguments.max_area_ratio,
        ),
        constrain=arguments.constrain,
        with_difficult=not arguments.without_difficult,
        window_px=arguments.window_px,
        seed=arguments.seed,
        shares=Shares(arguments.validation, arguments.test),
    )
    check_settings(settings)
    return settings


def _load(arguments: argparse.Namespace) -> list[BatchNetwork]:
    """Return one network for every worker; all of them share the weights."""
    spin_briefly()
    import torch  # here, because the other commands must start without it

    from server.segmentation.batch_prompts.network import BatchPredictor
    from server.segmentation.model_store import ModelStore

    torch.set_num_threads(arguments.threads)
    store = ModelStore(arguments.ckpt_folder, arguments.device, EMBEDDING_CACHE_BYTES)
    predictors = [store.make_predictor(arguments.checkpoint) for _ in range(arguments.workers)]
    # Nobody else uses the network, and workers need not wait for each other.
    return [BatchPredictor(predictor, nullcontext) for predictor in predictors]


def _print(summary: BuildSummary, arguments: argparse.Namespace, seconds: float) -> None:
    for note in summary.notes[:MAX_NOTES_TOLD]:
        print(note)
    if len(summary.notes) > MAX_NOTES_TOLD:
        print(f"… and {len(summary.notes) - MAX_NOTES_TOLD} more; records/ holds those of every image.")
    print(summary.tell())
    print(f"The dataset is in {arguments.out}; its README.md says what it holds, report.html shows it.")
    if arguments.json:
        figures = {key: value for key, value in dataclasses.asdict(summary).items() if key != "notes"}
        print(json.dumps({**figures, "seconds": round(seconds, 1)}))
