"""What features are worth at every pixel: a linear head on the embedded encoder's, enlarged in several ways.

The same head, multinomial logistic regression, is fitted anew for every way on random labelled pixels of Dubai tiles 1
to 6 and scored at full resolution on random windows of tile 7, everywhere and within a few pixels of borders between
classes. The mixture of channels at an upsampler's end changes nothing that a linear head cannot undo, so only its
stages are run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from server.datasets.known_sets import open_dubai
from server.datasets.scenes import Dataset
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT
from server.vocabulary.backbones import normalise
from server.vocabulary.bilateral import BilateralStage
from server.vocabulary.simfeatup.backbones import FrozenBackbone, load_backbone
from server.vocabulary.upsampler import SharedStageUpsampler
from server.vocabulary.upsampler_files import load_upsampler

DATA = Path(os.environ.get("RS_DATA", Path(__file__).parents[2] / "shared" / "data"))
SIDE_PX = 192
PIXELS_PER_WINDOW = 500
# How far from a border between two classes "near" is.
NEAR_PX = 8
# Weight of the squared coefficients; features have variance 1.
RIDGE = 1e-4
N_ITERATIONS = 200
N_PICTURES = 3

# Takes planes (1, C, h, w) and the normalised picture (1, 3, H, W); returns (1, C, H, W), linear in the planes.
Enlarge = Callable[[Tensor, Tensor], Tensor]


class Seen(NamedTuple):
    """One window: features (1, C, h, w), normalised picture (1, 3, H, W), classes int32 (H, W) from 1."""

    features: Tensor
    picture: Tensor
    classes: NDArray[np.int32]


@dataclass(frozen=True)
class Head:
    """Linear in the features: (K, C) weights and (K,) biases."""

    weights: Tensor
    biases: Tensor

    def score(self, seen: Seen, enlarge: Enlarge) -> Tensor:
        """Return (K, H, W). Scores are enlarged instead of features, which is the same: both steps are linear."""
        scores = torch.einsum("kc,bchw->bkhw", self.weights, seen.features)
        return enlarge(scores, seen.picture)[0] + self.biases[:, None, None]


def main(arguments: Sequence[str]) -> int:
    """Print mIoU of every way to enlarge features."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upsampler_probe", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="of the data sets")
    parser.add_argument("--upsampler", type=Path, nargs="*", default=[], metavar="FILE", help="trained ones")
    parser.add_argument("--radius", type=int, default=5, metavar="N", help="of the untrained upsampler, default 5")
    parser.add_argument("--windows", type=int, default=2, metavar="N", help="to fit on, of every image of tiles 1 to 6")
    parser.add_argument(
        "--held-out", type=int, default=8, metavar="N", help="windows to score, of every image of tile 7"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of windows, pixels and untrained weights")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw features of the windows with most borders")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    backbone = load_backbone(CHECKPOINT_FOLDER, DEFAULT_CHECKPOINT, torch.device("cpu"))
    training = list(draw_windows(open_dubai(chosen.data, held_out=False), backbone, chosen.windows, chosen.seed))
    dataset = open_dubai(chosen.data)
    held_out = list(draw_windows(dataset, backbone, chosen.held_out, chosen.seed))
    ways = make_ways(backbone, chosen.upsampler, chosen.radius, chosen.seed)
    if chosen.picture:
        shown = sorted(held_out, key=lambda seen: -find_near_borders(seen.classes).mean())[:N_PICTURES]
        draw_features(shown, backbone, ways[chosen.upsampler[0].stem], chosen.picture)
    figures = {}
    with torch.inference_mode():
        for name, enlarge in ways.items():
            head = fit_head(training, enlarge, len(dataset.class_names), chosen.seed)
            figures[name] = measure(head, enlarge, held_out)
            print(f"{name}: {figures[name]}", flush=True)
    if chosen.json:
        print(json.dumps({"benchmark": "upsampler_probe", "windows": len(held_out), **figures}))
    return 0


def make_ways(backbone: FrozenBackbone, files: Sequence[Path], radius: int, seed: int) -> dict[str, Enlarge]:
    """Return all ways by name; trained upsamplers are called like their files."""
    torch.manual_seed(seed)
    untrained = SharedStageUpsampler(backbone.n_channels, radius, backbone.n_stages).eval().requires_grad_(False)
    ways: dict[str, Enlarge] = {
        "bilinear": enlarge_bilinear,
        "bilinear, mean of 3 x 3 cells": lambda planes, picture: enlarge_bilinear(average_cells(planes), picture),
        "most alike cell nearby": enlarge_alike,
        "bilateral, untrained": run_stages(untrained.stages()),
    }
    return ways | {path.stem: run_stages(load_upsampler(path).stages()[-backbone.n_stages :]) for path in files}


def enlarge_bilinear(planes: Tensor, picture: Tensor) -> Tensor:
    """Return planes between which pixels lie on straight lines."""
    return functional.interpolate(planes, size=picture.shape[2:], mode="bilinear", align_corners=False)


def average_cells(planes: Tensor) -> Tensor:
    """Return the means of 3 x 3 cells: as blurred as an upsampler is, and blind to the picture."""
    return functional.avg_pool2d(planes, 3, stride=1, padding=1, count_include_pad=False)


def enlarge_alike(planes: Tensor, picture: Tensor) -> Tensor:
    """Give every pixel what the cell says, of its own and the eight around, whose mean colour is most like its."""
    rows, cols = planes.shape[2:]
    colours = functional.adaptive_avg_pool2d(picture, (rows, cols))[0].flatten(1)
    own_row, own_col = (
        torch.arange(length) // (length // count) for length, count in zip(picture.shape[2:], (rows, cols), strict=True)
    )
    nearest = torch.full(picture.shape[2:], torch.inf)
    chosen = torch.zeros(picture.shape[2:], dtype=torch.long)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            row, col = (own_row + down).clamp(0, rows - 1), (own_col + right).clamp(0, cols - 1)
            cell = row[:, None] * cols + col
            distance = (colours[:, cell] - picture[0]).square().sum(dim=0)
            chosen = torch.where(distance < nearest, cell, chosen)
            nearest = torch.minimum(distance, nearest)
    return planes.flatten(2)[:, :, chosen]


def run_stages(stages: Sequence[BilateralStage]) -> Enlarge:
    """Return the way of an upsampler."""

    def enlarge(planes: Tensor, picture: Tensor) -> Tensor:
        for stage in stages:
            planes = stage(planes, picture)
        return planes

    return enlarge


def draw_windows(dataset: Dataset, backbone: FrozenBackbone, n_windows: int, seed: int) -> Iterator[Seen]:
    """Yield random windows of every image."""
    for number, scene in enumerate(dataset):
        rng = np.random.default_rng((seed, number))
        for _ in range(n_windows):
            row, col = (int(rng.integers(side - SIDE_PX + 1)) for side in scene.classes.shape)
            part = slice(row, row + SIDE_PX), slice(col, col + SIDE_PX)
            yield see(scene.rgb[part], scene.classes[part], backbone)


@torch.inference_mode()
def see(rgb: NDArray[np.uint8], classes: NDArray[np.int32], backbone: FrozenBackbone) -> Seen:
    """Encode a window whose sides suit the backbone."""
    picture = torch.from_numpy(normalise(rgb, backbone.mean, backbone.std))[None]
    return Seen(backbone.encode(picture), picture, classes)


def fit_head(windows: Sequence[Seen], enlarge: Enlarge, n_classes: int, seed: int) -> Head:
    """Fit the head on random labelled pixels, the same ones for every way."""
    rng = np.random.default_rng(seed)
    values, numbers = [], []
    for seen in windows:
        labelled = np.flatnonzero(seen.classes > 0)
        places = rng.choice(labelled, min(PIXELS_PER_WINDOW, len(labelled)), replace=False)
        values.append(enlarge(seen.features, seen.picture)[0].flatten(1)[:, torch.from_numpy(places)].mT)
        numbers.append(torch.from_numpy(seen.classes.ravel()[places]).long() - 1)
    return fit_logistic(torch.cat(values), torch.cat(numbers), n_classes)


@torch.inference_mode(mode=False)
def fit_logistic(values: Tensor, numbers: Tensor, n_classes: int) -> Head:
    """Return multinomial logistic regression of (N, C) values on (N,) numbers of classes from 0."""
    mean, deviation = values.mean(dim=0), values.std(dim=0).clamp(min=1e-6)
    standard, numbers = ((values - mean) / deviation).clone(), numbers.clone()
    weights = torch.zeros(n_classes, values.shape[1], requires_grad=True)
    biases = torch.zeros(n_classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, biases], max_iter=N_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = functional.cross_entropy(standard @ weights.mT + biases, numbers) + RIDGE * weights.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[arg-type]
    folded = weights.detach() / deviation
    return Head(folded, biases.detach() - folded @ mean)


def measure(head: Head, enlarge: Enlarge, windows: Sequence[Seen]) -> dict[str, float]:
    """Return the mean IoU over the classes, all windows together, everywhere and near borders between classes."""
    n_classes = len(head.biases)
    everywhere, near = (np.zeros((n_classes, n_classes), np.int64) for _ in range(2))
    for seen in windows:
        pairs = (seen.classes - 1) * n_classes + head.score(seen, enlarge).argmax(dim=0).numpy()
        known = seen.classes > 0
        for counts, counted in ((everywhere, known), (near, known & find_near_borders(seen.classes))):
            counts += np.bincount(pairs[counted], minlength=n_classes**2).reshape(n_classes, n_classes)
    return {"miou": _mean_iou(everywhere), "miou_near_borders": _mean_iou(near)}


def find_near_borders(classes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return where, bool (H, W), another known class lies within `NEAR_PX` pixels."""
    square = np.ones((2 * NEAR_PX + 1, 2 * NEAR_PX + 1), np.uint8)
    highest = cv2.dilate(classes.astype(np.int16), square)
    lowest = cv2.erode(np.where(classes > 0, classes, np.iinfo(np.int16).max).astype(np.int16), square)
    return np.asarray(highest > lowest)


def _mean_iou(counts: NDArray[np.int64]) -> float:
    """Return the mean IoU of (K, K) pixels by true and found class, over classes that occur."""
    both = np.diag(counts)
    either = counts.sum(axis=0) + counts.sum(axis=1) - both
    return round(float((both[either > 0] / either[either > 0]).mean()), 4)


@torch.inference_mode()
def draw_features(windows: Sequence[Seen], backbone: FrozenBackbone, upsample: Enlarge, target: Path) -> None:
    """Draw rows of picture, features enlarged bilinearly, upsampled ones: three principal components as colours."""
    rows = []
    for seen in windows:
        before, after = (enlarge(seen.features, seen.picture)[0] for enlarge in (enlarge_bilinear, upsample))
        colours = seen.picture[0].permute(1, 2, 0).numpy() * np.asarray(backbone.std) + np.asarray(backbone.mean)
        rows.append(np.hstack([np.clip(colours.round(), 0, 255).astype(np.uint8), *colour_components(before, after)]))
    cv2.imwrite(str(target), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])


def colour_components(first: Tensor, second: Tensor) -> list[NDArray[np.uint8]]:
    """Return both (C, H, W) as uint8 (H, W, 3), by the principal components and the range of the first."""
    mean = first.flatten(1).mean(dim=1)
    _, _, directions = torch.linalg.svd(first.flatten(1).mT - mean, full_matrices=False)
    both = [torch.einsum("kc,chw->hwk", directions[:3], part - mean[:, None, None]).numpy() for part in (first, second)]
    low, high = np.percentile(both[0].reshape(-1, 3), (2, 98), axis=0)
    return [(np.clip((part - low) / (high - low), 0, 1) * 255).astype(np.uint8) for part in both]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
