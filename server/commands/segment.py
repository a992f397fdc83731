"""`segment IN.tif OUT.tif`: what `POST /segment` does, on files of this machine."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from server.errors import BadParameter
from server.rasters.look import check_band_indexes, default_band_indexes
from server.rasters.opening import check_raster
from server.rasters.windows import PixelWindow
from server.segmentation.class_mode.segmenting import ClassRequest
from server.segmentation.engine import SegmentationEngine
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT, find_class
from server.segmentation.parameters import PARAMETERS, MaskGeneratorSettings, describe_parameters
from server.segmentation.progress import Report
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS, SegmentRequest, SegmentResult
from server.vectors.exports import export_objects

VECTOR_KINDS = {".gpkg": "gpkg", ".geojson": "geojson", ".zip": "shp", ".json": "coco"}
# The command's user owns the machine, so only what no format can hold is refused.
MAX_PIXELS = 2**40


def add_parser(commands: Any) -> None:
    """Add the command and one option per mask-generator parameter."""
    parser = commands.add_parser("segment", help="find all objects of a raster", description=__doc__)
    parser.add_argument("input", type=Path, metavar="IN.tif", help="raster to segment")
    parser.add_argument("output", type=Path, metavar="OUT.tif", help="label raster to write")
    parser.add_argument(
        "--vector",
        type=Path,
        metavar="FILE",
        help="also write the outlines: .gpkg, .geojson, .zip (Shapefile), .json (COCO)",
    )
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME", help="see `checkpoints`")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--bands", type=int, nargs=3, metavar=("R", "G", "B"), help="bands to use, counted from 1")
    parser.add_argument("--window", type=int, nargs=4, metavar=("COL", "ROW", "WIDTH", "HEIGHT"), help="only this part")
    parser.add_argument("--area", type=Path, metavar="FILE", help="only inside this GeoJSON polygon, lon/lat")
    parser.add_argument("--resolution-m", type=float, metavar="X", help="metres per pixel the network sees")
    parser.add_argument(
        "--class",
        dest="is_class_mode",
        action="store_true",
        help="find the class that a fine-tuned checkpoint was made for, without any prompt",
    )
    parser.add_argument("--full-cover", action="store_true", help="go on until all ground belongs to an object")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    for row in describe_parameters():
        parser.add_argument(
            "--" + row["name"].replace("_", "-"),
            type=int if row["type"] == "integer" else float,
            metavar="N" if row["type"] == "integer" else "X",
            help=f"{row['description']} {row['minimum']} to {row['maximum']}, default {row['default']:.4g}.",
        )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Segment one raster and write the results beside each other.

    Raises:
        UserError: the input, an option or a checkpoint is at fault; nothing was written.
    """
    check_paths(arguments)
    request = _make_class_request(arguments) if arguments.is_class_mode else _make_request(arguments)
    engine = SegmentationEngine(arguments.ckpt_folder, arguments.device, 0, arguments.precision)
    with tempfile.TemporaryDirectory(prefix=".segment-", dir=arguments.output.parent) as scratch:
        result = _segment(engine, arguments.input, Path(scratch), request)
        publish(Path(scratch), arguments)
    _print_summary(arguments, engine, result)
    return 0


def check_paths(arguments: argparse.Namespace) -> None:
    """Refuse an input that is no raster and outputs that cannot be written, before any time is spent.

    Args:
        arguments: `input`, `output` and `vector`.

    Raises:
        BadParameter: an output has no folder or no known ending, or is the input.
        NotARaster: the input is none.
    """
    check_raster(arguments.input, max_pixels=MAX_PIXELS)
    outputs = [path for path in (arguments.output, arguments.vector) if path is not None]
    for path in outputs:
        if not path.parent.is_dir():
            raise BadParameter(
                f"The folder {path.parent} does not exist; create it or choose another output.", "output"
            )
        if path.exists() and (path.is_dir() or path.samefile(arguments.input)):
            raise BadParameter(f"{path} is a folder or the input itself; choose another output.", "output")
    if arguments.vector is not None and arguments.vector.suffix.lower() not in VECTOR_KINDS:
        raise BadParameter(
            f"{arguments.vector.name} has no known ending; expected one of {', '.join(VECTOR_KINDS)}.", "vector"
        )


def _make_request(arguments: argparse.Namespace) -> SegmentRequest:
    return SegmentRequest(
        band_indexes=choose_bands(arguments),
        settings=MaskGeneratorSettings.from_mapping(_given_parameters(arguments)),
        checkpoint=arguments.checkpoint,
        window=PixelWindow(*arguments.window) if arguments.window else None,
        area=None if arguments.area is None else read_area_file(arguments.area),
        resolution_m=arguments.resolution_m,
        full_cover=arguments.full_cover,
    )


def _make_class_request(arguments: argparse.Namespace) -> ClassRequest:
    given = _given_parameters(arguments)
    without_meaning = [name for name in given if name != "min_mask_region_area"]
    without_meaning += ["full_cover"] if arguments.full_cover else []
    if without_meaning:
        name = without_meaning[0]
        raise BadParameter(
            f"--{name.replace('_', '-')} has no meaning with --class, which clicks nowhere; leave it out.", name
        )
    settings = MaskGeneratorSettings.from_mapping(given)
    return ClassRequest(
        band_indexes=choose_bands(arguments),
        checkpoint=arguments.checkpoint,
        class_name=find_class(arguments.ckpt_folder, arguments.checkpoint),
        window=PixelWindow(*arguments.window) if arguments.window else None,
        area=None if arguments.area is None else read_area_file(arguments.area),
        resolution_m=arguments.resolution_m,
        min_mask_region_area=settings.min_mask_region_area,
    )


def _given_parameters(arguments: argparse.Namespace) -> dict[str, float]:
    return {name: getattr(arguments, name) for name in PARAMETERS if getattr(arguments, name) is not None}


def choose_bands(arguments: argparse.Namespace) -> tuple[int, ...]:
    """Return the bands asked for, or else the usual ones of the input.

    Raises:
        BadParameter: the input has no such band.
    """
    if arguments.bands is None:
        return default_band_indexes(arguments.input)
    return check_band_indexes(arguments.input, arguments.bands, field="bands")


def read_area_file(path: Path) -> dict[str, Any]:
    """Return the geometry of a GeoJSON file: a geometry, a feature, or the only feature of a collection.

    Raises:
        BadParameter: the file cannot be read as one of these.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadParameter(f"{path} cannot be read as GeoJSON: {error}.", "area") from error
    found = content.get("features", [content]) if isinstance(content, dict) else []
    if len(found) != 1 or not isinstance(found[0], dict):
        raise BadParameter(f"{path} holds {len(found)} features; expected one polygon.", "area")
    geometry = found[0].get("geometry", found[0])
    if not isinstance(geometry, dict):
        raise BadParameter(f"{path} holds a feature without geometry; expected one polygon.", "area")
    return geometry


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Give what an engine reports to; it becomes a progress bar on stderr."""
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}") as bar:

        def report(fraction: float, step: str) -> None:
            bar.set_postfix_str(step, refresh=False)
            bar.update(100.0 * fraction - bar.n)

        yield report


def _segment(
    engine: SegmentationEngine, source: Path, scratch: Path, request: SegmentRequest | ClassRequest
) -> SegmentResult:
    with progress_bar() as report:
        if isinstance(request, ClassRequest):
            return engine.segment_class(source, scratch, request, report)
        return engine.segment(source, scratch, request, report)


def publish(scratch: Path, arguments: argparse.Namespace, raster: str = LABELS) -> None:
    """Move the finished files to where they were asked for.

    Args:
        scratch: the folder of the result.
        arguments: `output` and `vector`.
        raster: name of the file in it that becomes the output.
    """
    if arguments.vector is not None:
        draft = scratch / ("vector" + arguments.vector.suffix.lower())
        export_objects(scratch / OBJECTS, scratch / LABELS, draft, VECTOR_KINDS[draft.suffix])
        # Copied under a temporary name and renamed, because the folder may be on another disk.
        with tempfile.TemporaryDirectory(prefix=".segment-", dir=arguments.vector.parent) as beside:
            copy = Path(beside) / draft.name
            copy.write_bytes(draft.read_bytes())
            os.replace(copy, arguments.vector)  # noqa: PTH105 - atomic on every system
    os.replace(scratch / raster, arguments.output)  # noqa: PTH105


def _print_summary(arguments: argparse.Namespace, engine: SegmentationEngine, result: SegmentResult) -> None:
    summary = {
        **dataclasses.asdict(result),
        "checkpoint": arguments.checkpoint,
        "device": engine.device_name(),
        "output": str(arguments.output),
        "vector": None if arguments.vector is None else str(arguments.vector),
    }
    if arguments.json:
        print(json.dumps(summary))
    else:
        print(f"{result.n_objects} objects in {result.seconds:.1f} s, written to {arguments.output}")
