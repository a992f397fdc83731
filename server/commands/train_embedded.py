"""`train-embedded FOLDER`: make the weights of the embedded checkpoint anew, from synthetic and real images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from server.errors import BadParameter
from server.segmentation.networks.spinning import spin_briefly

if TYPE_CHECKING:
    from server.training.labelled_images import Source

# Crops are cut from scenes twice as large as the training images, so that one scene serves many steps.
SCENE_SIZE = 512
N_HELD_OUT_SCENES = 16
SYNTHETIC_WEIGHT, STABLE_REGIONS_WEIGHT, BUILDINGS_WEIGHT = 0.48, 0.23, 0.17
# Small sets, each of one kind of object; more would teach their pictures by heart.
BOXED_WEIGHT, RATED_BOXED_WEIGHT = 0.04, 0.03
# Regions of one colour are good outlines to learn but seldom all that a person means: ratings that were fitted to them
# in equal measure preferred masks that were too small on real objects.
RATED_WEIGHTS = {"synthetic": 0.45, "stable regions": 0.1, "buildings": 0.45}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser("train-embedded", help="train the embedded checkpoint", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the run goes; taken up again if it exists")
    parser.add_argument(
        "--steps", type=int, default=1500, metavar="N", help="length of the schedule, default 1500; 0 only fits ratings"
    )
    parser.add_argument("--time-limit-s", type=float, metavar="X", help="end the schedule after this much time")
    parser.add_argument("--early-size", type=int, default=160, metavar="N", help="side of images at first, default 160")
    parser.add_argument("--size", type=int, default=256, metavar="N", help="side of images later, default 256")
    parser.add_argument("--images", type=int, default=6, metavar="N", help="images per step, default 6")
    parser.add_argument("--prompts", type=int, default=3, metavar="N", help="prompts per image, default 3")
    parser.add_argument("--learning-rate", type=float, default=8e-4, metavar="X", help="highest rate, default 0.0008")
    parser.add_argument("--scenes", type=int, default=300, metavar="N", help="synthetic scenes, default 300")
    parser.add_argument("--rated-images", type=int, default=300, metavar="N", help="images to fit ratings, default 300")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="also use the data sets in this folder")
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="FILE",
        help="begin with the weights of an earlier run, which also outline the objects that --data has only boxes of",
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="processor threads, default 2")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the products of matrices; bfloat16 where the processor has it, default float32",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random, default 0")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train and print where the weights are.

    Raises:
        BadParameter: an option is out of range or the data sets are not there.
    """
    _check(arguments)
    spin_briefly()
    import torch  # here, because the other commands must start without it

    from server.segmentation.networks.heap import keep_freed_memory
    from server.training.loop import TrainingSettings, train

    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    settings = TrainingSettings(
        folder=arguments.folder,
        n_steps=arguments.steps,
        time_limit_s=arguments.time_limit_s,
        early_size=arguments.early_size,
        size=arguments.size,
        n_images=arguments.images,
        n_prompts=arguments.prompts,
        learning_rate=arguments.learning_rate,
        n_rated_images=arguments.rated_images,
        seed=arguments.seed,
        precision=arguments.precision,
        start_from=arguments.start_from,
    )
    weights = train(settings, _read_sources(arguments))
    print(f"The averaged weights are in {weights}")
    _print_scores(weights, arguments.data)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.steps < 0:
        raise BadParameter(f"--steps is {arguments.steps}; give 0 or more.", "steps")
    if arguments.rated_images < 2:
        raise BadParameter(
            f"--rated-images is {arguments.rated_images}; give 2 or more, one is held out.", "rated_images"
        )
    for name in ("images", "prompts", "scenes", "threads"):
        if getattr(arguments, name) < 1:
            raise BadParameter(f"--{name} is {getattr(arguments, name)}; give 1 or more.", name)
    for name in ("early_size", "size"):
        side = getattr(arguments, name)
        if side < 64 or side % 32:
            raise BadParameter(f"--{name.replace('_', '-')} is {side}; give a multiple of 32 from 64.", name)


def _print_scores(weights: Path, data: Path | None) -> None:
    """Print how well one centre click works on images that training did not see."""
    from server.segmentation.networks.embedded import load_embedded_sam
    from server.training.evaluation.centre_clicks import score_centre_clicks
    from server.training.labelled_images import FIRST_HELD_OUT_SEED, synthetic_images
    from server.training.real_imagery import read_buildings, read_dubai

    held_out = {"synthetic": synthetic_images(N_HELD_OUT_SCENES, SCENE_SIZE, FIRST_HELD_OUT_SEED, lambda _: None)}
    if data is not None:
        held_out["dubai tile 7"] = read_dubai(data, is_validation=True)
        held_out["buildings region 3"] = read_buildings(data, is_validation=True)
    network = load_embedded_sam(weights)
    for name, images in held_out.items():
        scores = score_centre_clicks(network, images)
        means = f"chosen mask {scores.chosen.mean():.3f}, best of three {scores.best.mean():.3f}"
        print(f"{name}: mean IoU of one centre click, {len(scores.best)} objects: {means}")


def _read_sources(arguments: argparse.Namespace) -> list[Source]:
    """Generate the scenes with a progress bar and, with --data, read the training parts of the real sets."""
    from server.training.labelled_images import Source, synthetic_images
    from server.training.real_imagery import read_buildings, read_dubai, read_unlabelled, relabel_by_stable_regions

    with tqdm(total=arguments.scenes, unit="scene") as bar:
        scenes = synthetic_images(arguments.scenes, SCENE_SIZE, arguments.seed, bar.update)
    sources = [Source(scenes, SYNTHETIC_WEIGHT, RATED_WEIGHTS["synthetic"])]
    if arguments.data is not None:
        buildings = read_buildings(arguments.data, is_validation=False)
        unlabelled = [*read_dubai(arguments.data, is_validation=False), *buildings, *read_unlabelled(arguments.data)]
        with tqdm(total=len(unlabelled), unit="image") as bar:
            stable = relabel_by_stable_regions(unlabelled, arguments.folder / "stable_regions", bar.update)
        sources += [
            Source(stable, STABLE_REGIONS_WEIGHT, RATED_WEIGHTS["stable regions"]),
            Source(buildings, BUILDINGS_WEIGHT, RATED_WEIGHTS["buildings"]),
            *_outline_boxed(arguments),
        ]
    return sources


def _outline_boxed(arguments: argparse.Namespace) -> list[Source]:
    """Outline the objects that have boxes by the network that training starts from, with a progress bar.

    Without such a network, or with one that would be partly random, they are left out.
    """
    if arguments.start_from is None:
        return []
    from server.segmentation.networks.embedded import build_embedded_sam, load_fitting_weights
    from server.training.boxed_objects import outline_boxes
    from server.training.labelled_images import Source, object_ids
    from server.training.real_imagery import read_boxed

    network = build_embedded_sam().eval()
    lacking = load_fitting_weights(network, arguments.start_from)
    if lacking:
        print(f"{arguments.start_from} lacks {', '.join(lacking)}: objects known by boxes alone are left out")
        return []
    boxed = read_boxed(arguments.data)
    sources = []
    with tqdm(total=sum(map(len, boxed.values())), unit="image") as bar:
        for items in boxed.values():
            images = []
            for item in items:
                outlined = outline_boxes(network, item.read_rgb(), item.boxes_xyxy)
                if len(object_ids(outlined.labels)) > 0:
                    images.append(outlined)
                bar.update()
            if images:
                sources.append(Source(images, BOXED_WEIGHT, RATED_BOXED_WEIGHT))
    return sources
