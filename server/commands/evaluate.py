"""`evaluate`: how good a checkpoint is on labelled imagery, in one table and one picture."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from server.commands.evaluate_rasters import compare_rasters
from server.commands.labelled_imagery import add_imagery_options, read_imagery
from server.datasets.known_sets import KNOWN_BOXED_SETS, KNOWN_SETS, open_known_set
from server.datasets.scenes import Dataset, take_spread
from server.errors import BadParameter
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT, find_checkpoint
from server.segmentation.networks.spinning import spin_briefly
from server.segmentation.parameters import PRESETS, MaskGeneratorSettings

if TYPE_CHECKING:
    from server.segmentation.prompting.rated_masks import PromptedNetwork
    from server.training.evaluation.boxed import BoxedScores
    from server.training.evaluation.records import ScoreRecords
    from server.training.evaluation.scene_scores import Mode, SceneScores

MODES: tuple[Mode, ...] = ("prompts", "everything")
EMBEDDING_CACHE_BYTES = 1 << 28
CLASS_NAME = "object"
SET_NAMES = (*KNOWN_SETS, *KNOWN_BOXED_SETS)
BOXES_FILE = "boxes.md"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "evaluate", help="measure a checkpoint, or finished label rasters, on labelled imagery", description=__doc__
    )
    add_imagery_options(parser)
    parser.add_argument(
        "--set",
        choices=SET_NAMES,
        action="append",
        metavar="NAME",
        help=f"{', '.join(SET_NAMES)} below --data",
    )
    parser.add_argument("--all-sets", action="store_true", help="all of these sets, held-out parts only")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME", help="see `checkpoints`")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--modes", default=",".join(MODES), metavar="LIST", help=f"default {','.join(MODES)}")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="standard", help="of everything-mode")
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="also Felzenszwalb (a minute for 4 megapixels), filled boxes, random weights",
    )
    parser.add_argument("--max-images", type=int, default=10, metavar="N", help="of each set, default 10")
    parser.add_argument("--max-objects-per-image", type=int, default=20, metavar="N", help="clicked on, default 20")
    parser.add_argument("--max-windows-per-image", type=int, default=1, metavar="N", help="everything-mode, default 1")
    parser.add_argument("--max-clicks", type=int, default=20, metavar="N", help="on one object, default 20")
    parser.add_argument("--min-area", type=int, default=100, metavar="N", help="of objects, in pixels, default 100")
    parser.add_argument("--predicted", type=Path, metavar="FOLDER", help="compare these class rasters with the masks")
    parser.add_argument("--tolerance-px", type=float, default=3.0, metavar="X", help="of boundaries, default 3")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="processor threads, default 2")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for report.md, report.json, report.png; taken up if interrupted"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the table, and write table and picture where a folder was named.

    Raises:
        UserError: an option, the imagery or the checkpoint is at fault.
    """
    _check(arguments)
    if arguments.predicted is not None:
        compare_rasters(arguments, CLASS_NAME)
    else:
        _evaluate_checkpoint(arguments)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    for name in ("max_images", "max_objects_per_image", "max_windows_per_image", "max_clicks", "min_area", "threads"):
        value = getattr(arguments, name)
        if value < 1:
            raise BadParameter(f"--{name.replace('_', '-')} is {value}; give 1 or more.", name)
    if arguments.tolerance_px < 0:
        raise BadParameter(f"--tolerance-px is {arguments.tolerance_px:g}; give 0 or more.", "tolerance_px")
    modes = _modes(arguments)
    if not modes or not set(modes) <= set(MODES):
        raise BadParameter(f'--modes is "{arguments.modes}"; give some of {", ".join(MODES)}.', "modes")
    if (arguments.set or arguments.all_sets) and arguments.data is None:
        raise BadParameter("--set and --all-sets need --data, the folder that holds the sets.", "data")


def _modes(arguments: argparse.Namespace) -> list[str]:
    return [mode.strip() for mode in arguments.modes.split(",") if mode.strip()]


def _evaluate_checkpoint(arguments: argparse.Namespace) -> None:
    datasets = _open_datasets(arguments)
    messages = list(dict.fromkeys(message for dataset in datasets.values() for message in dataset.messages))
    for message in messages:
        print(message)
    records, network = _measure(arguments, datasets)
    # Earlier runs may have left scores of other sets or images in the folder.
    shown = {title: frozenset(dataset.names) for title, dataset in datasets.items()}
    scores = [item for item in records.scores if item.scene in shown.get(item.set_title, ())]
    if scores:
        _report(arguments, scores, datasets, network, messages)
    if "prompts" in _modes(arguments):
        _measure_boxed(arguments, network)
    if arguments.out is not None:
        print(f"Tables and picture are in {arguments.out}")


def _report(
    arguments: argparse.Namespace,
    scores: Sequence[SceneScores],
    datasets: Mapping[str, Dataset],
    network: PromptedNetwork,
    messages: Sequence[str],
) -> None:
    """Print the table of all sets with outlines; write it and the picture where a folder was named."""
    from server.training.evaluation.figure import FIGURE_FILE, draw_figure  # matplotlib is slow to import
    from server.training.evaluation.report import render_table, write_report
    from server.training.evaluation.summary import summarise

    rows = summarise(scores, arguments.checkpoint, arguments.max_clicks)
    print(render_table(rows, arguments.max_clicks))
    if arguments.out is not None:
        write_report(arguments.out, rows, scores, _describe(arguments), messages)
        draw_figure(arguments.out / FIGURE_FILE, scores, datasets, network)


def _measure_boxed(arguments: argparse.Namespace, network: PromptedNetwork) -> None:
    """Click on objects of the named sets that have boxes alone; print the table, write it where a folder was named."""
    from server.training.evaluation.boxed import render_boxed_table

    names = [name for name in _set_names(arguments) if name in KNOWN_BOXED_SETS]
    found = {KNOWN_BOXED_SETS[name].title: _score_boxes(arguments, name, network) for name in names}
    if found:
        table = render_boxed_table(found, arguments.checkpoint)
        print(table)
        if arguments.out is not None:
            (arguments.out / BOXES_FILE).write_text(table, encoding="utf-8")


def _score_boxes(arguments: argparse.Namespace, name: str, network: PromptedNetwork) -> BoxedScores:
    from server.training.evaluation.boxed import score_boxed_images

    every = KNOWN_BOXED_SETS[name].open(arguments.data)
    images = every[:: max(1, len(every) // arguments.max_images)][: arguments.max_images]
    with tqdm(total=len(images), unit="image") as bar:
        return score_boxed_images(
            images, network, arguments.max_objects_per_image, bar.update, has_baselines=arguments.baselines
        )


def _measure(arguments: argparse.Namespace, datasets: Mapping[str, Dataset]) -> tuple[ScoreRecords, PromptedNetwork]:
    """Measure all sets with a progress bar; return the scores and the network."""
    spin_briefly()
    import torch  # here, because the other commands must start without it

    from server.segmentation.model_store import ModelStore
    from server.training.evaluation.records import ScoreRecords
    from server.training.evaluation.running import evaluate_datasets, make_contestants
    from server.training.evaluation.scene_scores import Effort

    torch.set_num_threads(arguments.threads)
    records = ScoreRecords(arguments.out, _describe(arguments))
    effort = Effort(
        modes=tuple(mode for mode in MODES if mode in _modes(arguments)),
        max_objects_per_image=arguments.max_objects_per_image,
        max_windows_per_image=arguments.max_windows_per_image,
        max_clicks=arguments.max_clicks,
        min_area_px=arguments.min_area,
        has_baselines=arguments.baselines,
    )
    settings = MaskGeneratorSettings.from_mapping(PRESETS[arguments.preset])
    store = ModelStore(arguments.ckpt_folder, arguments.device, EMBEDDING_CACHE_BYTES)
    contestants = make_contestants(store, arguments.checkpoint, settings, has_baselines=arguments.baselines)
    with tqdm(total=sum(map(len, datasets.values())), unit="image") as bar:

        def tell(step: str, n_finished: int) -> None:
            bar.set_postfix_str(step, refresh=False)
            bar.update(n_finished - bar.n)

        evaluate_datasets(datasets, contestants, effort, records, tell)
        bar.update(bar.total - bar.n)
    return records, contestants.network


def _open_datasets(arguments: argparse.Namespace) -> dict[str, Dataset]:
    """Return what is to be measured by title: named sets, or the imagery that the options name."""
    names = _set_names(arguments)
    if names:
        outlined = [name for name in names if name in KNOWN_SETS]
        datasets = {KNOWN_SETS[name].title: open_known_set(name, arguments.data) for name in outlined}
    else:
        imagery = read_imagery(arguments, CLASS_NAME)
        datasets = {(arguments.images or arguments.data).name: imagery}
    return {title: take_spread(dataset, arguments.max_images) for title, dataset in datasets.items()}


def _set_names(arguments: argparse.Namespace) -> list[str]:
    return list(SET_NAMES) if arguments.all_sets else arguments.set or []


def _describe(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what scores depend on beside the imagery; scores of other weights must not be mixed with these."""
    with find_checkpoint(arguments.ckpt_folder, arguments.checkpoint).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    names = ("checkpoint", "preset", "max_objects_per_image", "max_windows_per_image", "max_clicks", "min_area")
    described = {name: getattr(arguments, name) for name in names}
    return described | {"modes": _modes(arguments), "baselines": arguments.baselines, "sha256": digest}
