"""Roads before and after fine-tuning, beside a plain U-Net of the same size trained as long on the same tiles.

Data: MBRSC Dubai (CC0), tiles 1-6 to learn from, tile 7 to validate. The same class mode, overlapping windows with
blended logits, measures all three.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.unet import UNetClassNetwork, UNetSettings, train_unet
from server.datasets.known_sets import open_dubai
from server.datasets.scenes import Dataset, LabelledScene
from server.segmentation.class_mode.looking import ClassNetwork
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.networks.heap import keep_freed_memory
from server.segmentation.networks.loading import load_network
from server.training.finetuning.examples import Views
from server.training.finetuning.measuring import ClassScores, find_in_scene, measure_class
from server.training.finetuning.settings import FineTuningSettings
from server.training.finetuning.task import FineTuned, FineTuningTask, class_network, fine_tune
from server.training.finetuning.windows import (
    find_class_number,
    plan_training_windows,
    plan_validation_windows,
    thin_out,
)

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "road_finetuning"
ROAD, BASE, NAME = "road", "embedded", "roads"
UNET_RATE = 1e-3
N_PICTURES, PICTURE_PX, PICTURED_PX = 4, 480, 1024
FIGURES = ("iou", "dice", "cl_dice", "precision", "recall")


def main(arguments: Sequence[str]) -> int:
    """Train both, print the table, write pictures."""
    chosen = _parse(arguments)
    torch.set_num_threads(chosen.threads)
    keep_freed_memory()
    training, validation = open_dubai(chosen.data, held_out=False), open_dubai(chosen.data)
    done = _fine_tune(chosen, training, validation)
    unet, n_steps = _train_unet(chosen, training, validation, done.seconds)
    number = find_class_number(validation, ROAD)
    scores = {"before": done.before, "after": done.after, "U-Net": measure_class(unet, validation, number)}
    networks = {name: _load(done.weights.parent, name) for name in (BASE, NAME)}
    pictures = _draw_pictures(chosen.out, validation, {**networks, "U-Net": unet})
    for line in _table(scores):
        print(line)
    print(f"Each trained for {done.seconds:.0f} s; U-Net {n_steps} steps. Pictures: {', '.join(map(str, pictures))}")
    report = {name: asdict(values) for name, values in scores.items()} | {"seconds": round(done.seconds)}
    (chosen.out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (chosen.out / "report.md").write_text("\n".join(_table(scores)) + "\n", encoding="utf-8")
    if chosen.json:
        print(json.dumps(report))
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.road_finetuning", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER", help="of results; taken up again")
    parser.add_argument("--ckpt-folder", type=Path, metavar="FOLDER", help="of the new checkpoint; default in --out")
    parser.add_argument("--time-limit-s", type=float, default=3600.0, metavar="X", help="of each training")
    parser.add_argument("--steps", type=int, default=100_000, metavar="N", help="of fine-tuning, if less than the time")
    parser.add_argument("--train", choices=("decoder", "lora", "everything"), default="decoder")
    parser.add_argument("--views", type=int, default=4, metavar="N")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="X")
    parser.add_argument("--images-per-step", type=int, default=4, metavar="N")
    parser.add_argument("--class-share", type=float, default=0.8, metavar="X")
    parser.add_argument("--validation-windows", type=int, default=60, metavar="N")
    parser.add_argument("--validate-every", type=int, default=100, metavar="N")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _fine_tune(chosen: argparse.Namespace, training: Dataset, validation: Dataset) -> FineTuned:
    ckpt_folder: Path = chosen.ckpt_folder or chosen.out / "ckpt"
    ckpt_folder.mkdir(parents=True, exist_ok=True)
    if not (ckpt_folder / f"{BASE}.safetensors").exists():
        shutil.copy(CHECKPOINT_FOLDER / f"{BASE}.safetensors", ckpt_folder)
    task = FineTuningTask(
        checkpoint=BASE,
        out=NAME,
        class_name=ROAD,
        ckpt_folder=ckpt_folder,
        device="cpu",
        licence="Apache-2.0",
        data="MBRSC Dubai (CC0 1.0), road class of tiles 1-6",
    )
    return fine_tune(task, _make_settings(chosen), training, validation)


def _make_settings(chosen: argparse.Namespace) -> FineTuningSettings:
    return FineTuningSettings(
        folder=chosen.out / "run",
        trained=chosen.train,
        n_steps=chosen.steps,
        time_limit_s=chosen.time_limit_s,
        n_images=chosen.images_per_step,
        n_views=chosen.views,
        class_share=chosen.class_share,
        is_thin=True,
        learning_rate=chosen.learning_rate,
        n_validation_windows=chosen.validation_windows,
        validate_every=chosen.validate_every,
    )


def _train_unet(
    chosen: argparse.Namespace, training: Dataset, validation: Dataset, seconds: float
) -> tuple[UNetClassNetwork, int]:
    """Train on the windows that fine-tuning had, and be judged by the same ones."""
    size = class_network(load_network(CHECKPOINT_FOLDER, BASE, torch.device("cpu"))).input_size
    number = find_class_number(training, ROAD)
    windows = plan_training_windows(training, number, size, lambda _: None)
    looks = thin_out(plan_validation_windows(validation, number, size, lambda _: None), chosen.validation_windows)
    settings = UNetSettings(seconds, chosen.images_per_step, UNET_RATE, FineTuningSettings(RESULTS).empty_weight, 0)
    network, n_steps = train_unet(
        Views(training, windows, number, size), Views(validation, looks, number, size), settings
    )
    return UNetClassNetwork(network.eval(), size), n_steps


def _load(folder: Path, name: str) -> ClassNetwork:
    return class_network(load_network(folder, name, torch.device("cpu")))


def _table(scores: dict[str, ClassScores]) -> list[str]:
    """Return a Markdown table; Dice of one binary mask is its F1."""
    lines = [f"| | {' | '.join(scores)} |", "|---|" + "---|" * len(scores)]
    for figure in FIGURES:
        name = "dice = F1" if figure == "dice" else figure
        values = [f"{getattr(item, figure):.3f}" for item in scores.values()]
        lines.append(f"| {name} | {' | '.join(values)} |")
    return lines


def _draw_pictures(folder: Path, validation: Dataset, networks: dict[str, Any]) -> list[Path]:
    """Write image, truth, before, after and U-Net side by side for the middle of a few scenes."""
    number = find_class_number(validation, ROAD)
    paths = []
    for index in np.linspace(0, len(validation) - 1, N_PICTURES).astype(int).tolist():
        scene: LabelledScene = validation[index]
        top, left = (max(0, (side - PICTURED_PX) // 2) for side in scene.classes.shape)
        part = (slice(top, top + PICTURED_PX), slice(left, left + PICTURED_PX))
        rgb = np.ascontiguousarray(scene.rgb[part])
        masks = [scene.classes[part] == number, *(find_in_scene(item, rgb) > 0 for item in networks.values())]
        panels = [_reduce(rgb), *(_paint(rgb, mask) for mask in masks)]
        path = folder / f"{Path(scene.name).name}.png"
        cv2.imwrite(str(path), np.hstack(panels)[..., ::-1])
        paths.append(path)
    return paths


def _paint(rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    painted = rgb.copy()
    painted[mask] = (0.35 * rgb[mask] + 0.65 * np.array((255, 60, 60))).astype(np.uint8)
    return _reduce(painted)


def _reduce(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height = round(PICTURE_PX * rgb.shape[0] / rgb.shape[1])
    return np.asarray(cv2.resize(rgb, (PICTURE_PX, height), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
