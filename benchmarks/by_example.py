"""Class maps from five clicks per class, beside a random forest on colour and texture with the same clicks.

Data: Dubai tile 7 and Doodler's coasts, whose labels no shipped checkpoint was trained on. Clicks are random labelled
pixels; all other labelled pixels, on a grid, are compared. Ours runs as the service runs it, without and with SAM's
objects. The forest (scikit-learn) sees RGB and its mean and standard deviation over four sizes of squares.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]

from server.datasets.known_sets import open_known_set
from server.datasets.scenes import Dataset, LabelledScene
from server.rasters.label_reader import LabelReader
from server.rasters.windows import PixelWindow
from server.segmentation.class_mode.class_areas import CLASSES
from server.segmentation.engine import SegmentationEngine
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.segmentation.networks.embedded import load_embedded_sam
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS, SegmentRequest
from server.vocabulary.by_example import ClassExample, make_example_looker
from server.vocabulary.classifying import ClassifyRequest, classify_raster
from server.vocabulary.encoder_backbone import EncoderBackbone

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = ("dubai", "doodler")
BANDS = (1, 2, 3)
N_CLICKS = 5
# Classes with fewer labelled pixels than this share of an image are left out of it.
LEAST_SHARE = 0.002
TEXTURE_SIDES_PX = (5, 11, 21, 41)
N_TREES = 200
# Encoder outputs of one image: 30 windows of 4 MB.
CACHE_BYTES = 256 << 20
METHODS = ("ours", "ours, refined", "random forest")


@dataclass(frozen=True)
class Clicks:
    """What the user said.

    Attributes:
        rows: (P,) of the clicked pixels.
        cols: (P,) of the clicked pixels.
        numbers: (P,) place of the class among `classes`.
        classes: values of the label image that take part.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    numbers: NDArray[np.int64]
    classes: tuple[int, ...]


def main(arguments: Sequence[str]) -> int:
    """Print a table of mIoU, image by image."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.by_example", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS), metavar="NAME", help="of the known sets")
    parser.add_argument("--images", type=int, metavar="N", help="of each set at most, default all")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="draws of clicks")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="where SAM's objects are kept for next time")
    parser.add_argument("--unrefined", action="store_true", help="leave out SAM's objects, which take most of the time")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in chosen.sets:
            dataset = open_known_set(name, chosen.data)
            rows = [
                measure(chosen, Path(scratch), dataset, number)
                for number in range(min(len(dataset), chosen.images or len(dataset)))
            ]
            kept = [row for row in rows if row]
            figures[name] = {key: round(float(np.mean([row[key] for row in kept])), 4) for key in kept[0]}
            figures[name]["images"] = len(kept)
    for name, row in figures.items():
        print(f"{name}: {row}")
    if chosen.json:
        print(json.dumps(figures))
    return 0


def measure(chosen: argparse.Namespace, scratch: Path, dataset: Dataset, number: int) -> dict[str, float]:
    """Return the mean mIoU of every method on one image; nothing where there are less than two classes."""
    scene = dataset[number]
    source = scratch / f"{Path(scene.name).stem}.png"
    Image.fromarray(scene.rgb).save(source)
    backbone = load_backbone()
    every = max(1, round(max(scene.classes.shape) / 500))
    scores: dict[str, list[float]] = {}
    for seed in range(chosen.seeds):
        clicks = draw_clicks(scene, seed)
        if len(clicks.classes) < 2:
            return {}
        maps = {"ours": map_ours(source, clicks, backbone, None), "random forest": map_forest(scene, clicks, every)}
        if not chosen.unrefined:
            objects = find_objects(source, chosen.results or scratch)
            maps["ours, refined"] = map_ours(source, clicks, backbone, objects)
        for name, found in maps.items():
            scores.setdefault(name, []).append(score(scene, clicks, found, every))
    row = {name: float(np.mean(values)) for name, values in scores.items()}
    print(scene.name, " ".join(f"{name} {value:.3f}" for name, value in row.items()), flush=True)
    return row


def load_backbone() -> EncoderBackbone:
    """Return the embedded encoder."""
    network = load_embedded_sam(CHECKPOINT_FOLDER / f"{DEFAULT_CHECKPOINT}.safetensors")
    predictor = CachingPredictor(network.eval(), DEFAULT_CHECKPOINT, EmbeddingCache(CACHE_BYTES))
    return EncoderBackbone(predictor, nullcontext)


def draw_clicks(scene: LabelledScene, seed: int) -> Clicks:
    """Return random pixels of every class with enough of them."""
    rng = np.random.default_rng(seed)
    values, counts = np.unique(scene.classes[scene.classes > 0], return_counts=True)
    classes = tuple(values[counts >= LEAST_SHARE * scene.classes.size].tolist())
    chosen = [rng.choice(np.flatnonzero(scene.classes == value), N_CLICKS, replace=False) for value in classes]
    rows, cols = np.divmod(np.concatenate([np.zeros(0, np.int64), *chosen]), scene.classes.shape[1])
    return Clicks(rows, cols, np.repeat(np.arange(len(classes)), N_CLICKS), classes)


def map_ours(source: Path, clicks: Clicks, backbone: EncoderBackbone, objects: Path | None) -> NDArray[np.int64]:
    """Return the map of this project, (H, W): places among the classes."""
    examples = [
        ClassExample(int(number), shapely.Point(col + 0.5, row + 0.5))
        for row, col, number in zip(clicks.rows, clicks.cols, clicks.numbers, strict=True)
    ]
    names = tuple(map(str, clicks.classes))
    request = ClassifyRequest(BANDS, names, ((0, 0, 0),) * len(names), refine=objects is not None)

    def copy_objects(folder: Path, _report: object) -> None:
        for name in (LABELS, OBJECTS):
            shutil.copy((objects or folder) / name, folder / name)

    with tempfile.TemporaryDirectory() as folder:
        result = classify_raster(
            source,
            Path(folder),
            request,
            lambda _check: make_example_looker(source, examples, request, backbone),
            lambda _share, _step: None,
            copy_objects,
        )
        with LabelReader(Path(folder) / CLASSES) as reader:
            return reader.read(PixelWindow(0, 0, result.width, result.height)).astype(np.int64) - 1


def find_objects(source: Path, results: Path) -> Path:
    """Return the folder with SAM's objects, found with the default settings unless they are there."""
    folder = results / f"{source.stem}-objects"
    if not (folder / OBJECTS).exists():
        folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        request = SegmentRequest(BANDS, MaskGeneratorSettings(), DEFAULT_CHECKPOINT)
        SegmentationEngine(CHECKPOINT_FOLDER, "cpu").segment(source, folder, request, lambda _share, _step: None)
        print(f"SAM's objects of {source.stem}: {time.monotonic() - started:.0f} s", flush=True)
    return folder


def map_forest(scene: LabelledScene, clicks: Clicks, every: int) -> NDArray[np.int64]:
    """Return the map of a random forest, (H, W), of which only every `every`-th pixel counts."""
    rgb = scene.rgb.astype(np.float32)
    planes: list[NDArray[Any]] = [rgb]
    for side in TEXTURE_SIDES_PX:
        mean = cv2.blur(rgb, (side, side))
        planes += [mean, np.sqrt(np.maximum(cv2.blur(rgb**2, (side, side)) - mean**2, 0))]
    described = np.concatenate(planes, axis=2)
    forest = RandomForestClassifier(N_TREES, random_state=0, n_jobs=1)
    forest.fit(described[clicks.rows, clicks.cols], clicks.numbers)
    found = np.zeros(scene.classes.shape, np.int64)
    seen = described[::every, ::every]
    found[::every, ::every] = forest.predict(seen.reshape(-1, seen.shape[2])).reshape(seen.shape[:2])
    return found


def score(scene: LabelledScene, clicks: Clicks, found: NDArray[np.int64], every: int) -> float:
    """Return the mean IoU over the classes; clicked pixels and classes that nobody clicked do not count."""
    truth = np.full(scene.classes.shape, -1)
    for place, value in enumerate(clicks.classes):
        truth[scene.classes == value] = place
    truth[clicks.rows, clicks.cols] = -1
    truth, found = truth[::every, ::every], found[::every, ::every]
    known = truth >= 0
    ious = []
    for place in range(len(clicks.classes)):
        is_true, is_found = truth == place, (found == place) & known
        ious.append((is_true & is_found).sum() / max(1, (is_true | is_found).sum()))
    return float(np.mean(ious))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
