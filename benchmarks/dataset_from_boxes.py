"""Masks for boxes: images per second beside a plain loop of `SamPredictor.predict_torch`, and the memory of a long run.

The loop does what the scripts of SAMRS do: the image is encoded once, every box is asked for one mask, later boxes are
painted over earlier ones, and maps of classes in grey and in colour and run lengths of the masks are written. Both
sides see the same pixels with the same network: aerial photos with twenty and more boxes each, resized to the network's
input. Both may use two threads: the loop inside of torch, the product for two images at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as run_lengths
from segment_anything import SamPredictor
from torch import nn

from benchmarks.timing import median_seconds
from server.datasets.building.building import DatasetBuilder
from server.datasets.building.data_sheet import Making, Provenance
from server.datasets.building.opening import open_source
from server.datasets.building.settings import BuildSettings, Gate
from server.segmentation.batch_prompts.network import BatchPredictor
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.networks.embedded import build_embedded_sam
from server.segmentation.networks.heap import keep_freed_memory
from server.segmentation.networks.loading import load_network
from server.segmentation.networks.spinning import spin_briefly

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
CARS = "aerial_cars_boxes"
CLASSES = ("car", "truck", "bus", "minibus", "cyclist")
MIN_BOXES = 20
UNLABELLED = 255
# The memory is measured with a small network: what stays of every image does not depend on it.
SMALL_INPUT = 128
OPEN_GATE = Gate(0.0, 0.0, 0.0, 0.0, float("inf"))
MAKING = Making("yolo", "benchmark", "", "", "one by one")


@dataclass(frozen=True)
class Asked:
    """An image and its boxes.

    Attributes:
        path: of the image.
        classes: int64 (B,).
        boxes_xyxy: float64 (B, 4) in pixels.
    """

    path: Path
    classes: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]


def main(arguments: Sequence[str]) -> int:
    """Print medians of paired runs; with --memory-images, also how the memory grows over so many images."""
    spin_briefly()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset_from_boxes", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, metavar="NAME")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--images", type=int, default=0, metavar="N", help="fewer than there are")
    parser.add_argument("--memory-images", type=int, default=0, metavar="N", help="0 leaves the memory out")
    parser.add_argument("--memory-boxes", type=int, default=20, metavar="N", help="on each of these images")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    keep_freed_memory()
    figures: dict[str, object] = {"threads": chosen.threads}
    with tempfile.TemporaryDirectory() as scratch:
        if chosen.rounds:
            figures |= measure_speed(chosen, Path(scratch))
        if chosen.memory_images:
            figures |= measure_memory(chosen.memory_images, chosen.memory_boxes, Path(scratch))
    for name, value in figures.items():
        print(f"{name:32} {value}")
    if chosen.json:
        print(json.dumps(figures))
    return 0


def measure_speed(chosen: argparse.Namespace, scratch: Path) -> dict[str, object]:
    """Return images per second of both sides, and ratios."""
    network = load_network(chosen.ckpt_folder, chosen.checkpoint, torch.device("cpu"))
    images = scratch / "images"
    n_boxes = copy_photos(chosen.data / CARS, images, network.image_encoder.img_size)[: chosen.images or None]
    for path in sorted(images.glob("*.png"))[len(n_boxes) :]:
        path.unlink()
        path.with_suffix(".txt").unlink()
    turns = iter(range(sys.maxsize))

    def start_loop() -> None:
        torch.set_num_threads(chosen.threads)
        run_loop(network, images, scratch / f"loop{next(turns)}")

    def start_build(*, multimask: bool) -> None:
        torch.set_num_threads(1)
        settings = BuildSettings(multimask=multimask)
        build(network, images, scratch / f"built{next(turns)}", settings, n_workers=chosen.threads)

    sides: dict[str, Callable[[], object]] = {
        "loop": start_loop,
        "one mask": lambda: start_build(multimask=False),
        "best of three": lambda: start_build(multimask=True),
    }
    seconds = median_seconds(sides, chosen.rounds)
    rates = {
        f"{name.replace(' ', '_')}_images_per_s": round(len(n_boxes) / spent, 3) for name, spent in seconds.items()
    }
    ratios = {
        f"{name.replace(' ', '_')}_ratio": round(seconds["loop"] / seconds[name], 2)
        for name in ("one mask", "best of three")
    }
    counts = {"images": len(n_boxes), "boxes_per_image": round(statistics.mean(n_boxes), 1)}
    return {"checkpoint": chosen.checkpoint, **counts, **rates, **ratios}


def copy_photos(source: Path, target: Path, side: int) -> list[int]:
    """Copy photos with enough boxes, their longer side `side` pixels; return the numbers of their boxes."""
    target.mkdir()
    found = []
    for labels in sorted(source.glob("*.txt")):
        rows = labels.read_text(encoding="utf-8").splitlines()
        path = next(
            (labels.with_suffix(ending) for ending in (".jpg", ".png") if labels.with_suffix(ending).exists()), None
        )
        if path is None or len(rows) < MIN_BOXES:
            continue
        photo = cv2.imread(str(path))
        share = side / max(photo.shape[:2])
        resized = cv2.resize(photo, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(target / f"{labels.stem}.png"), resized)
        (target / labels.name).write_text("\n".join(rows), encoding="utf-8")
        found.append(len(rows))
    return found


def build(network: nn.Module, images: Path, out: Path, settings: BuildSettings, n_workers: int) -> None:
    """Make a dataset as the command does."""
    source = open_source(images, images, "yolo", CLASSES, None)
    cache = EmbeddingCache(0)
    predictor, *others = (
        BatchPredictor(CachingPredictor(network, "benchmark", cache), nullcontext) for _ in range(n_workers)
    )
    DatasetBuilder(source, settings, MAKING, out).build(predictor, Provenance(), others=others)


def run_loop(network: nn.Module, images: Path, out: Path) -> None:
    """Make masks as a script does."""
    out.mkdir()
    colours = np.random.default_rng(0).integers(0, 255, (UNLABELLED + 1, 3), dtype=np.uint8)
    predictor = SamPredictor(network)
    for path in sorted(images.glob("*.png")):
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        asked = _read_boxes(path, rgb.shape[:2])
        predictor.set_image(rgb)
        grey = np.full(rgb.shape[:2], UNLABELLED, np.uint8)
        rows = []
        for value, box in zip(asked.classes.tolist(), asked.boxes_xyxy, strict=True):
            boxes = predictor.transform.apply_boxes_torch(torch.from_numpy(box[None]).float(), rgb.shape[:2])
            masks, ratings, _ = predictor.predict_torch(None, None, boxes, multimask_output=False)
            mask = masks[0, 0].numpy()
            grey[mask] = value
            encoded = run_lengths.encode(np.asfortranarray(mask.view(np.uint8)))
            counts = encoded["counts"].decode("ascii")
            rows.append({"counts": counts, "bbox": box.tolist(), "category": value, "score": ratings.item()})
        cv2.imwrite(str(out / f"{path.stem}.png"), grey)
        cv2.imwrite(str(out / f"{path.stem}_colour.png"), colours[grey])
        (out / f"{path.stem}.json").write_text(json.dumps(rows), encoding="utf-8")


def _read_boxes(path: Path, shape: tuple[int, int]) -> Asked:
    rows = np.loadtxt(path.with_suffix(".txt"), ndmin=2)
    centres, extents = rows[:, 1:3] * shape[::-1], rows[:, 3:5] * shape[::-1]
    return Asked(path, rows[:, 0].astype(np.int64), np.hstack([centres - extents / 2, centres + extents / 2]))


def measure_memory(n_images: int, n_boxes: int, scratch: Path) -> dict[str, object]:
    """Return the resident memory in MiB after every tenth of the images, and once all files are written.

    Masks of all boxes are kept.
    """
    images = scratch / "many"
    _draw_images(images, n_images, n_boxes)
    torch.manual_seed(0)
    network = build_embedded_sam(SMALL_INPUT).eval().requires_grad_(False)
    predictor = BatchPredictor(CachingPredictor(network, "small", EmbeddingCache(0)), nullcontext)
    source = open_source(images, images, "yolo", CLASSES, None)
    taken: dict[int, float] = {}
    started = time.perf_counter()

    def look(n_finished: int) -> None:
        if n_finished % (n_images // 10) == 0:
            taken.setdefault(n_finished, _resident_mib())

    builder = DatasetBuilder(source, BuildSettings(gate=OPEN_GATE), MAKING, scratch / "out")
    summary = builder.build(predictor, Provenance(), look)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {
        "memory_images": n_images,
        "memory_instances": summary.n_kept,
        "memory_mib_after_images": {number: round(value, 1) for number, value in taken.items()},
        "memory_mib_with_report": round(_resident_mib(), 1),
        "memory_peak_mib": round(peak, 1),
        "memory_seconds": round(time.perf_counter() - started, 1),
        "memory_threads_left": threading.active_count(),
    }


def _draw_images(folder: Path, n_images: int, n_boxes: int) -> None:
    """Write images of noise, each with boxes at other places."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(n_images):
        values = rng.integers(0, 255, (SMALL_INPUT, SMALL_INPUT, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number:05}.png"), values)
        rows = [f"0 {x:.4f} {y:.4f} 0.1 0.1" for x, y in rng.uniform(0.1, 0.9, (n_boxes, 2))]
        (folder / f"{number:05}.txt").write_text("\n".join(rows), encoding="utf-8")


def _resident_mib() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
