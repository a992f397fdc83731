"""Which of overlapping masks to show: reference objects that the label image still holds, by the order of painting.

Everything-mode of the page's middle preset on windows of the network's input size. A reference object of 100 pixels or
more is held where a label has an IoU of 0.5 or more with it; "masks" counts those that any mask has such an IoU with,
so no order can hold more. See docs/decisions/0010-who-is-seen.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from server.datasets.known_sets import open_known_set
from server.segmentation.automatic.generator import AutomaticMaskGenerator
from server.segmentation.mask_records import MaskRecord
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.networks.loading import load_network
from server.segmentation.parameters import PRESETS, MaskGeneratorSettings
from server.training.labelled_images import FIRST_HELD_OUT_SEED, synthetic_images

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
MIN_AREA_PX, HELD_IOU = 100, 0.5
# Of region 3 at its own resolution a square is enough, of Banepa every fourth image.
SQUARE_PX, EVERY, N_BANEPA, N_SCENES, SCENE_PX = 1024, 4, 8, 4, 512
# What is painted later covers what was painted before.
ORDERS: dict[str, Callable[[MaskRecord], float]] = {
    "small over large": lambda record: -record.area_px,
    "large over small": lambda record: record.area_px,
    "by predicted IoU": lambda record: record.predicted_iou,
    "by stability": lambda record: record.stability_score,
    "predicted IoU / area^0.02": lambda record: record.predicted_iou * record.area_px**-0.02,
}
Rgb, Ids, Mask = NDArray[np.uint8], NDArray[np.int32], NDArray[np.bool_]


def main(arguments: Sequence[str]) -> int:
    """Print a row for each set: its objects and the share that each order holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overlaps", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    network = load_network(chosen.ckpt_folder, chosen.checkpoint, torch.device("cpu"))
    generator = AutomaticMaskGenerator(
        CachingPredictor(network, chosen.checkpoint, EmbeddingCache(0)),
        MaskGeneratorSettings(**PRESETS["standard"]),  # type: ignore[arg-type]  # whole numbers are ints there
        lambda: None,
    )
    columns = ("masks", *ORDERS)
    print("| images | objects |", " | ".join(columns), "|")
    print("|---" * (2 + len(columns)) + "|")
    figures = {}
    for name, images in open_sets(chosen.data):
        held = [row for image in images for row in find_held(generator, *image)]
        shares = {column: round(float(share), 3) for column, share in zip(columns, np.mean(held, axis=0), strict=True)}
        figures[name] = {"objects": len(held), **shares}
        print(f"| {name} |", " | ".join(str(value) for value in figures[name].values()), "|", flush=True)
    if chosen.json:
        print(json.dumps(figures))
    return 0


def open_sets(data: Path) -> Iterator[tuple[str, list[tuple[Rgb, Ids]]]]:
    """Yield names and images with the ids of their objects, uint8 (H, W, 3) and int32 (H, W), 0 where there is none."""
    region = [(scene.rgb, scene.objects) for scene in open_known_set("fair", data)]
    yield "region 3, 0.15 m", [(rgb[:SQUARE_PX, :SQUARE_PX], ids[:SQUARE_PX, :SQUARE_PX]) for rgb, ids in region]
    yield "region 3, 0.30 m", [shrink(*image, 2) for image in region]
    yield "region 3, 0.60 m", [shrink(*image, 4) for image in region]
    banepa = islice(open_known_set("banepa", data), 0, EVERY * N_BANEPA, EVERY)
    yield "Banepa, 0.13 m", [(scene.rgb, scene.objects) for scene in banepa]
    scenes = synthetic_images(N_SCENES, SCENE_PX, FIRST_HELD_OUT_SEED, lambda _: None)
    yield "synthetic", [(scene.rgb, scene.labels) for scene in scenes]


def shrink(rgb: Rgb, ids: Ids, factor: int) -> tuple[Rgb, Ids]:
    """Return an image and its ids with fewer pixels."""
    size = (rgb.shape[1] // factor, rgb.shape[0] // factor)
    small_ids = cv2.resize(ids.astype(np.int32), size, interpolation=cv2.INTER_NEAREST)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), small_ids


def find_held(generator: AutomaticMaskGenerator, rgb: Rgb, ids: Ids) -> Iterator[list[bool]]:
    """Yield for each object of each window whether any mask, and the label image of each order, holds it."""
    side = generator.input_size
    for row in range(0, max(rgb.shape[0] - side // 2, 1), side):
        for col in range(0, max(rgb.shape[1] - side // 2, 1), side):
            part = ids[row : row + side, col : col + side]
            numbers, areas = np.unique(part[part > 0], return_counts=True)
            objects = [part == number for number in numbers[areas >= MIN_AREA_PX]]
            if not objects:
                continue
            records = generator.generate(np.ascontiguousarray(rgb[row : row + side, col : col + side]), lambda _: None)
            labels = [paint(records, order, part.shape) for order in ORDERS.values()]
            for meant in objects:
                of_masks = any(measure_iou(record, meant) >= HELD_IOU for record in records)
                yield [of_masks, *(is_held(painted, meant) for painted in labels)]


def paint(records: Sequence[MaskRecord], order: Callable[[MaskRecord], float], shape: tuple[int, ...]) -> Ids:
    """Return the label image, int32 of `shape`, whose later masks cover earlier ones."""
    painted = np.zeros(shape, dtype=np.int32)
    for number, record in enumerate(sorted(records, key=order), start=1):
        painted[_place(record)][record.mask] = number
    return painted


def measure_iou(record: MaskRecord, meant: Mask) -> float:
    """Return the IoU of a mask and an object of its window, bool (H, W)."""
    common = np.count_nonzero(record.mask & meant[_place(record)])
    return common / (record.area_px + np.count_nonzero(meant) - common)


def is_held(painted: Ids, meant: Mask) -> bool:
    """Tell whether one label agrees with an object, bool (H, W): the only one that can has most of its pixels."""
    counts = np.bincount(painted[meant])
    counts[0] = 0
    common, number = counts.max(), counts.argmax()
    n_either = np.count_nonzero(meant) + np.count_nonzero(painted == number) - common
    return bool(common > 0 and common / n_either >= HELD_IOU)


def _place(record: MaskRecord) -> tuple[slice, slice]:
    left, top, width, height = record.bbox_xywh
    return slice(top, top + height), slice(left, left + width)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
