"""`train-upsampler FOLDER --images …`: train a feature upsampler for a frozen backbone, as SimFeatUp does."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from server.errors import BadParameter
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.networks.spinning import spin_briefly

MAX_RADIUS = 8


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("train-upsampler", help="train a feature upsampler", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the run goes; taken up again if it exists")
    parser.add_argument(
        "--images", type=Path, nargs="+", required=True, metavar="PATH", help="images, or folders of images; no labels"
    )
    parser.add_argument(
        "--backbone", default=DEFAULT_CHECKPOINT, metavar="NAME", help="embedded (default), or a CLIP model's name"
    )
    parser.add_argument("--steps", type=int, default=2000, metavar="N", help="length of the run, default 2000")
    parser.add_argument("--time-limit-s", type=float, metavar="X", help="end the run after this much time in all")
    parser.add_argument("--crop", type=int, default=224, metavar="N", help="side of the crops in pixels, default 224")
    parser.add_argument("--crops", type=int, default=4, metavar="N", help="crops per step, default 4")
    parser.add_argument("--jitters", type=int, default=5, metavar="N", help="views of every crop, default 5")
    parser.add_argument("--radius", type=int, default=5, metavar="N", help="how far each stage looks, default 5")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="X", help="default 0.001")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="processor threads, default 2")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random, default 0")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train and print where the upsampler is.

    Raises:
        BadParameter: an option is out of range, or there are no images.
        CheckpointMissing: the backbone's weights are not there.
    """
    _check(arguments)
    spin_briefly()
    import torch  # here, because the other commands must start without it

    from server.segmentation.networks.loading import choose_device
    from server.vocabulary.simfeatup.backbones import load_backbone
    from server.vocabulary.simfeatup.crops import find_images
    from server.vocabulary.simfeatup.training import UpsamplerTraining, train_upsampler

    torch.set_num_threads(arguments.threads)
    images = find_images(arguments.images, arguments.crop)
    settings = UpsamplerTraining(
        folder=arguments.folder,
        n_steps=arguments.steps,
        time_limit_s=arguments.time_limit_s,
        crop=arguments.crop,
        n_crops=arguments.crops,
        n_jitters=arguments.jitters,
        radius=arguments.radius,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )
    backbone = load_backbone(arguments.ckpt_folder, arguments.backbone, choose_device(arguments.device))
    weights = train_upsampler(settings, backbone, images)
    print(f"The upsampler is in {weights}; it saw crops of {len(images)} images.")
    if arguments.json:
        print(json.dumps({"weights": str(weights), "backbone": backbone.name, "images": len(images)}))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    for name in ("steps", "crop", "crops", "jitters", "threads"):
        if getattr(arguments, name) < 1:
            raise BadParameter(f"--{name} is {getattr(arguments, name)}; give 1 or more.", name)
    if not 1 <= arguments.radius <= MAX_RADIUS:
        raise BadParameter(f"--radius is {arguments.radius}; give 1 to {MAX_RADIUS}.", "radius")
    if not 0 < arguments.learning_rate <= 1:
        raise BadParameter(
            f"--learning-rate is {arguments.learning_rate}; give more than 0, at most 1.", "learning_rate"
        )
