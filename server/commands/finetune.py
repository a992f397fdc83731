"""`finetune`: teach a checkpoint one class from labelled imagery, so that it finds it without prompts."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands.labelled_imagery import add_imagery_options, read_imagery
from server.datasets.scenes import Dataset, split_by_group
from server.errors import BadParameter
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.networks.spinning import spin_briefly
from server.training.finetuning.areas import choose_held_out
from server.training.finetuning.settings import FineTuningSettings

if TYPE_CHECKING:
    from server.training.finetuning.measuring import ClassScores
    from server.training.finetuning.task import FineTuningTask

RUNS_FOLDER = Path("training_runs")
GIB = 2**30
ROW = "{:<10} {:>8} {:>8}"


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("finetune", help="teach a checkpoint one class", description=__doc__)
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME", help="the one to begin with")
    parser.add_argument("--out", required=True, metavar="NAME", help="name of the new checkpoint")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="the class; needed where there are several")
    add_imagery_options(parser)
    parser.add_argument(
        "--hold-out", action="append", metavar="AREA", help="area that only validates; may be given several times"
    )
    parser.add_argument("--licence", default="unknown", metavar="TEXT", help="of the new weights, for their card")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    _add_training_options(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="processor threads, default 2")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.set_defaults(run=run)


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="of the run; taken up again if it exists")
    parser.add_argument(
        "--train",
        choices=("decoder", "lora", "everything"),
        default="decoder",
        help="decoder (default): encoder outputs are kept on disk; lora: small additions to the encoder too; "
        "everything: all weights, for the embedded network",
    )
    parser.add_argument("--thin", action="store_true", help="the class is narrow, like roads and paths")
    parser.add_argument("--steps", type=int, default=2000, metavar="N", help="length of the schedule, default 2000")
    parser.add_argument("--time-limit-s", type=float, metavar="X", help="end the schedule after this much time")
    parser.add_argument("--images-per-step", type=int, default=4, metavar="N", help="default 4")
    parser.add_argument("--views", type=int, default=4, metavar="N", help="kept views of every window, default 4")
    parser.add_argument("--learning-rate", type=float, default=4e-4, metavar="X", help="highest rate, default 0.0004")
    parser.add_argument("--lora-rank", type=int, default=8, metavar="N", help="default 8")
    parser.add_argument(
        "--class-share",
        type=float,
        default=0.7,
        metavar="X",
        help="share without prompts, default 0.7; rest is prompts",
    )
    parser.add_argument("--validate-every", type=int, default=100, metavar="N", help="steps, default 100")
    parser.add_argument("--patience", type=int, default=10, metavar="N", help="validations without gain, default 10")
    parser.add_argument(
        "--cache-folder", type=Path, metavar="FOLDER", help="of kept encoder outputs; runs may share it"
    )
    parser.add_argument("--cache-gib", type=float, default=8.0, metavar="X", help="room for them, default 8")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random, default 0")


def run(arguments: argparse.Namespace) -> int:
    """Fine-tune, write the checkpoint and its card, print what it is worth.

    Raises:
        UserError: the data, an option or the checkpoint is at fault; no checkpoint was written.
    """
    _check(arguments)
    dataset = read_imagery(arguments, arguments.class_name or "object")
    for message in dataset.messages:
        print(message)
    class_name = _choose_class(dataset, arguments.class_name)
    training, validation = _split(dataset, arguments.hold_out)
    spin_briefly()
    import torch  # here, because the other commands must start without it

    from server.segmentation.networks.heap import keep_freed_memory
    from server.training.finetuning.task import fine_tune

    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    task, settings = _make_task(arguments, class_name, training), _make_settings(arguments)
    done = fine_tune(task, settings, training, validation)
    print(f'"{class_name}" without prompts on {len(validation)} validation images:')
    _print_scores(done.before, done.after)
    print(f"Step {done.best_step} was best; written to {done.weights} with its card.")
    if arguments.json:
        figures = {"before": asdict(done.before), "after": asdict(done.after), "best_step": done.best_step}
        print(json.dumps({**figures, "weights": str(done.weights)}))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.threads < 1:
        raise BadParameter(f"--threads is {arguments.threads}; give 1 or more.", "threads")
    if not arguments.cache_gib > 0:
        raise BadParameter(f"--cache-gib is {arguments.cache_gib}; give a number over 0.", "cache_gib")
    if not arguments.ckpt_folder.is_dir():
        raise BadParameter(f"The folder {arguments.ckpt_folder} does not exist; create it first.", "ckpt_folder")


def _choose_class(dataset: Dataset, wanted: str | None) -> str:
    if wanted is None and len(dataset.class_names) != 1:
        raise BadParameter(
            f"The data have {len(dataset.class_names)} classes ({', '.join(dataset.class_names)}); choose one with "
            "--class.",
            "class",
        )
    return wanted or dataset.class_names[0]


def _split(dataset: Dataset, held_out: list[str] | None) -> tuple[Dataset, Dataset]:
    areas = held_out or choose_held_out(dataset)
    training, validation = split_by_group(dataset, areas)
    print(f"{len(training)} images to learn from; {len(validation)} to validate, of the areas {', '.join(areas)}.")
    return training, validation


def _make_task(arguments: argparse.Namespace, class_name: str, training: Dataset) -> FineTuningTask:
    from server.training.finetuning.task import FineTuningTask

    source = arguments.data or arguments.images
    return FineTuningTask(
        checkpoint=arguments.checkpoint,
        out=arguments.out,
        class_name=class_name,
        ckpt_folder=arguments.ckpt_folder,
        cache_folder=arguments.cache_folder,
        cache_bytes=int(arguments.cache_gib * GIB),
        device=arguments.device,
        licence=arguments.licence,
        data=f"{len(training)} images of {source.name}, areas {', '.join(sorted(set(training.groups)))}",
    )


def _make_settings(arguments: argparse.Namespace) -> FineTuningSettings:
    return FineTuningSettings(
        folder=arguments.folder or RUNS_FOLDER / arguments.out,
        trained=arguments.train,
        n_steps=arguments.steps,
        time_limit_s=arguments.time_limit_s,
        n_images=arguments.images_per_step,
        n_views=arguments.views,
        class_share=arguments.class_share,
        is_thin=arguments.thin,
        learning_rate=arguments.learning_rate,
        lora_rank=arguments.lora_rank,
        validate_every=arguments.validate_every,
        patience=arguments.patience,
        seed=arguments.seed,
    )


def _print_scores(before: ClassScores, after: ClassScores) -> None:
    print(ROW.format("", "before", "after"))
    figures = asdict(after)
    for name, value in asdict(before).items():
        print(ROW.format(name, f"{value:.3f}", f"{figures[name]:.3f}"))
