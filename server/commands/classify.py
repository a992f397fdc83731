"""`classify IN.tif OUT.tif`: what `POST /classify` does, on files of this machine: a class for every pixel."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.annotations.classes import extend_classes
from server.commands.segment import check_paths, choose_bands, progress_bar, publish, read_area_file
from server.errors import BadParameter
from server.rasters.windows import PixelWindow
from server.segmentation.class_mode.class_areas import CLASSES
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.vectors.exchange import read_examples
from server.vocabulary.asking import DEFAULT_MIN_AREA_PX, ExampleShape, Knobs, VocabularyRequest, VocabularyResult
from server.vocabulary.class_list import ClassList, parse_classes
from server.vocabulary.clip_files import choose_model
from server.vocabulary.service import OpenVocabularyEngine

SQUARE_METRES_PER_HECTARE = 10_000


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("classify", help="give every pixel of a raster a class", description=__doc__)
    parser.add_argument("input", type=Path, metavar="IN.tif", help="raster to classify")
    parser.add_argument("output", type=Path, metavar="OUT.tif", help="class raster with colour table to write")
    prompts = parser.add_mutually_exclusive_group(required=True)
    prompts.add_argument(
        "--classes", metavar="TEXT", help='words: "building; roof, road, water; river": classes, and their synonyms'
    )
    prompts.add_argument(
        "--examples", type=Path, metavar="FILE", help="points and polygons with an attribute `class`, in any CRS"
    )
    parser.add_argument(
        "--vector", type=Path, metavar="FILE", help="also write polygons: .gpkg, .geojson, .zip (Shapefile), .json"
    )
    parser.add_argument("--refine", action="store_true", help="sharpen the classes by the outlines of all objects")
    parser.add_argument("--background", metavar="NAME", help="class of pixels below the threshold")
    parser.add_argument("--background-threshold", type=float, metavar="X", help="0 to 1")
    parser.add_argument("--global-bias", type=float, metavar="X")
    parser.add_argument("--logit-scale", type=float, metavar="X")
    parser.add_argument("--min-area-px", type=int, default=DEFAULT_MIN_AREA_PX, metavar="N", help="of a polygon")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME", help="see `checkpoints`")
    parser.add_argument("--model", metavar="NAME", help="CLIP model for words, such as ViT-L-14-openai")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--bands", type=int, nargs=3, metavar=("R", "G", "B"), help="bands to use, counted from 1")
    parser.add_argument("--window", type=int, nargs=4, metavar=("COL", "ROW", "WIDTH", "HEIGHT"), help="only this part")
    parser.add_argument("--area", type=Path, metavar="FILE", help="only inside this GeoJSON polygon, lon/lat")
    parser.add_argument("--resolution-m", type=float, metavar="X", help="metres per pixel the network sees")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Classify one raster and write the results beside each other.

    Raises:
        UserError: the input, an option or a checkpoint is at fault; nothing was written.
    """
    check_paths(arguments)
    request, notes = _make_request(arguments)
    for note in notes:
        print(note, file=sys.stderr)
    engine = OpenVocabularyEngine(arguments.ckpt_folder, arguments.device, 0)
    with tempfile.TemporaryDirectory(prefix=".classify-", dir=arguments.output.parent) as scratch:
        with progress_bar() as report:
            result = engine.classify(arguments.input, Path(scratch), request, report)
        publish(Path(scratch), arguments, CLASSES)
    _print_summary(arguments, engine, result, notes)
    return 0


@dataclass(frozen=True)
class _Asked:
    """Classes, where they are shown by examples, and what is to be told about these."""

    classes: ClassList
    examples: list[tuple[int, ExampleShape]] | None = None
    notes: Sequence[str] = ()


def _make_request(arguments: argparse.Namespace) -> tuple[VocabularyRequest, Sequence[str]]:
    asked = _read_words(arguments) if arguments.examples is None else _read_example_file(arguments)
    names = asked.classes.names
    colours = [bytes.fromhex(row.color[1:]) for row in extend_classes([], names)]
    knobs = Knobs(
        background_threshold=arguments.background_threshold,
        background=arguments.background,
        global_bias=arguments.global_bias,
        logit_scale=arguments.logit_scale,
        min_area_px=arguments.min_area_px,
    )
    knobs.choose_settings(names)
    request = VocabularyRequest(
        band_indexes=choose_bands(arguments),
        classes=asked.classes,
        colours=tuple((red, green, blue) for red, green, blue in colours),
        checkpoint=arguments.checkpoint,
        examples=asked.examples,
        model=arguments.model,
        knobs=knobs,
        refine=arguments.refine,
        window=PixelWindow(*arguments.window) if arguments.window else None,
        area=None if arguments.area is None else read_area_file(arguments.area),
        resolution_m=arguments.resolution_m,
    )
    return request, asked.notes


def _read_words(arguments: argparse.Namespace) -> _Asked:
    """Return classes in words, of which a machine must have the network.

    Raises:
        BadParameter: the words are no list of classes.
        CheckpointMissing: the weights of CLIP are not here.
    """
    lines = [item.replace(";", ",") for item in arguments.classes.split(",")]
    classes = parse_classes("\n".join(lines))
    choose_model(arguments.ckpt_folder, arguments.model)
    return _Asked(classes)


def _read_example_file(arguments: argparse.Namespace) -> _Asked:
    """Return the classes of a file in the order in which they first occur, and what shows them.

    Raises:
        BadParameter: the file cannot be read, lies elsewhere, or names no classes.
    """
    if not arguments.examples.is_file():
        raise BadParameter(f"{arguments.examples} does not exist; expected a file of points and polygons.", "examples")
    found = read_examples(arguments.examples, arguments.input)
    names = list(dict.fromkeys(name for name in found.class_names if name is not None))
    if not names:
        raise BadParameter(
            f"{arguments.examples.name} has no class of any feature; give each an attribute `class`.", "examples"
        )
    shown = zip(found.class_names, found.shapes, strict=True)
    examples = [(names.index(name), shape) for name, shape in shown if name is not None]
    n_left_out = len(found.shapes) - len(examples)
    notes = [*found.notes, *([f"Left out, because they have no class: {n_left_out:,}."] if n_left_out else [])]
    return _Asked(ClassList(tuple((name,) for name in names)), examples, notes)


def _print_summary(
    arguments: argparse.Namespace, engine: OpenVocabularyEngine, result: VocabularyResult, notes: Sequence[str]
) -> None:
    content = dataclasses.asdict(result)
    for row in content["classes"]:
        area_m2 = row["area_m2"]
        row["area_ha"] = None if area_m2 is None else round(area_m2 / SQUARE_METRES_PER_HECTARE, 4)
    summary = {
        **content,
        "prompt": "text" if arguments.examples is None else "examples",
        "refine": arguments.refine,
        "checkpoint": arguments.checkpoint,
        "device": engine.device_name(),
        "notes": list(notes),
        "output": str(arguments.output),
        "vector": None if arguments.vector is None else str(arguments.vector),
    }
    if arguments.json:
        print(json.dumps(summary))
        return
    for row in content["classes"]:
        area = "" if row["area_ha"] is None else f", {row['area_ha']:,.2f} ha"
        print(f"{row['name']}: {row['n_pixels']:,} pixels ({row['share']:.1%}){area}")
    print(f"{result.n_objects} polygons in {result.seconds:.1f} s, written to {arguments.output}")
