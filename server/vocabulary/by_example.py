"""Classes by example on a raster: from what the user clicked and painted to a looker that finds it everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from server.errors import BadParameter
from server.rasters.windows import Patch, PatchReader
from server.segmentation.whole_raster.rectangles import slices_of
from server.segmentation.whole_raster.segmenting import Ground, read_ground
from server.segmentation.whole_raster.window_plan import plan_grid
from server.vectors.drawing import Drawing
from server.vocabulary.backbones import Backbone
from server.vocabulary.classifying import ClassifyRequest
from server.vocabulary.cues import Cue, read_cues
from server.vocabulary.example_kernels import ExampleKernels, fit_kernels
from server.vocabulary.settings import VocabularySettings

FIELD = "examples"
# Windows of backbones that take any size are CLIP's own.
CLIP_WINDOW = 224
# Scores are about -1..1, wider apart than cosines, so the softmax sharpens them less. Not calibrated on data.
LOGIT_SCALE = 6.0
# More examples of a class than this, such as all pixels of a large polygon, are thinned out.
MAX_PER_CLASS = 100
# How much of a raster is looked at to learn how far its places differ, beside where there are examples.
N_SCENE_WINDOWS, PLACES_PER_WINDOW = 12, 1000


@dataclass(frozen=True)
class ClassExample:
    """A place of which the user said what is there.

    Attributes:
        class_number: from 0.
        shape: in pixels of the raster, (0, 0) the upper left corner of its upper left pixel: Point for a click,
            Polygon or MultiPolygon for what was painted.
    """

    class_number: int
    shape: shapely.Point | shapely.Polygon | shapely.MultiPolygon


@dataclass(frozen=True)
class ExampleLooker:
    """Finds classes that were learnt from examples; looks at windows like `Looker`.

    Attributes:
        backbone: gives features.
        kernels: what was learnt.
        settings: of windows, bias and threshold.
    """

    backbone: Backbone
    kernels: ExampleKernels
    settings: VocabularySettings

    @property
    def class_of(self) -> tuple[int, ...]:
        """Number of the class that each of the logits is for."""
        return tuple(range(self.kernels.n_classes))

    @torch.inference_mode()
    def look(self, patch: NDArray[np.uint8]) -> Tensor:
        """Return logits (K, H, W), about -1..1, of one window, uint8 (H, W, 3)."""
        shape = patch.shape[:2]
        logits = torch.zeros(self.kernels.n_classes, *shape)
        for number, cue in enumerate(read_cues(self.backbone, patch)):
            logits += _enlarge(self.kernels.score(number, cue.values), cue, shape)
        return logits + self.settings.global_bias * logits.mean(dim=(1, 2), keepdim=True)


def _enlarge(scores: Tensor, cue: Cue, shape: tuple[int, ...]) -> Tensor:
    """Return (K, H, W) of the picture itself from (K, h, w) of the padded one, bilinear."""
    if scores.shape[1:] != torch.Size(cue.padded):
        scores = functional.interpolate(scores[None], size=cue.padded, mode="bilinear", align_corners=False)[0]
    return scores[:, cue.top : cue.top + shape[0], cue.left : cue.left + shape[1]]


def settings_by_example(backbone: Backbone) -> VocabularySettings:
    """Return settings for examples: windows as large as the backbone takes, pictures as they are, no global bias."""
    window = backbone.max_size or CLIP_WINDOW
    return VocabularySettings(
        long_side=None, window=window, stride=max(1, window * 3 // 4), global_bias=0.0, logit_scale=LOGIT_SCALE
    )


def make_example_looker(
    source: Path, examples: Sequence[ClassExample], request: ClassifyRequest, backbone: Backbone
) -> ExampleLooker:
    """Return what finds the classes of `request` in `source`, learnt from the examples and from how places differ.

    Args:
        source: the raster.
        examples: at least one of every class; pixels without data count for nothing.
        request: what will be classified and how; examples may lie outside of its window and area.
        backbone: of the network that will classify.

    Raises:
        BadParameter: a class has no example, or an example is of no class or lies outside the raster.
        NotARaster: the source cannot be read.
    """
    _check_numbers(examples, request.names)
    settings = settings_by_example(backbone)
    samples = _Samples(backbone)
    for number, example in enumerate(read_examples(source, examples, request, settings.window)):
        samples.add(example, np.random.default_rng(number))
    return ExampleLooker(backbone, samples.fit(request.names), settings)


@dataclass(frozen=True)
class Example:
    """A window with what is known about it.

    Attributes:
        patch: what the network sees.
        marks: uint8, of the same rows and columns: 1 + the number of the class, 0 where nothing is known.
    """

    patch: Patch
    marks: NDArray[np.uint8]


class _Samples:
    """Descriptions of examples, and of places all over the scene."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._examples: list[tuple[Tensor, ...]] = []
        self._scene: list[tuple[Tensor, ...]] = []
        self._numbers: list[NDArray[np.int64]] = []

    @torch.inference_mode()
    def add(self, example: Example, rng: np.random.Generator) -> None:
        """Take the marked pixels of a window and some of the others."""
        cues = read_cues(self._backbone, example.patch.rgb)
        marked = np.flatnonzero(example.marks)
        kept = _thin_out(marked, example.marks.ravel()[marked], rng)
        valid = np.flatnonzero(example.patch.valid)
        some = rng.choice(valid, min(PLACES_PER_WINDOW, len(valid)), replace=False)
        for found, places in ((self._examples, kept), (self._scene, some)):
            rows, cols = np.divmod(places, example.marks.shape[1])
            found.append(tuple(cue.sample(rows, cols) for cue in cues))
        self._numbers.append(example.marks.ravel()[kept].astype(np.int64) - 1)

    def fit(self, names: Sequence[str]) -> ExampleKernels:
        """Learn the classes.

        Raises:
            BadParameter: a class has no example.
        """
        numbers = np.concatenate([np.zeros(0, np.int64), *self._numbers])
        missing = [name for number, name in enumerate(names) if number not in numbers]
        if missing:
            raise BadParameter(f"No example was given of: {', '.join(missing)}. Click or paint at least one.", FIELD)
        kept = torch.from_numpy(_thin_out(np.arange(len(numbers)), numbers, np.random.default_rng(0)))
        examples = [torch.cat(parts)[kept] for parts in zip(*self._examples, strict=True)]
        scene = [torch.cat(parts) for parts in zip(*self._scene, strict=True)]
        return fit_kernels(examples, torch.from_numpy(numbers)[kept], scene, len(names))


def _thin_out(places: NDArray[np.int64], numbers: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return at most `MAX_PER_CLASS` places of each number, in order."""
    kept = [
        own if len(own) <= MAX_PER_CLASS else rng.choice(own, MAX_PER_CLASS, replace=False)
        for own in (places[numbers == number] for number in np.unique(numbers))
    ]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *kept]))


def read_examples(
    source: Path, examples: Sequence[ClassExample], request: ClassifyRequest, window_px: int
) -> Iterator[Example]:
    """Yield the windows of a raster with examples, each of which is in one of them with context, and some others.

    Args:
        source: the raster.
        examples: see `make_example_looker`.
        request: says which bands are seen, and how coarsely.
        window_px: side of a window as the network sees it.

    Raises:
        BadParameter: an example lies outside the raster.
        NotARaster: the source cannot be read.
    """
    ground = read_ground(source, None, request.resolution_m, None)
    shapes = [(_outline(example.shape), example.class_number + 1) for example in examples]
    _check_inside([outline for outline, _ in shapes], ground)
    drawing = Drawing(shapes)
    plan = plan_grid(ground.region, max(1, int(window_px * ground.pixel_step)))
    speaks_for_all = set(np.linspace(0, len(plan.windows) - 1, N_SCENE_WINDOWS).astype(int).tolist())
    with PatchReader(source, request.band_indexes) as reader:
        for number, (window, cell) in enumerate(zip(plan.windows, plan.cells, strict=True)):
            if not drawing.reaches(cell) and number not in speaks_for_all:
                continue
            rows, cols = (
                min(window_px, max(1, round(side / ground.pixel_step))) for side in (window.height, window.width)
            )
            patch = reader.read_patch(window, (rows, cols))
            marks = np.zeros((window.height, window.width), np.uint8)
            marks[slices_of(cell, window)] = drawing.draw(cell)
            yield Example(patch, np.where(patch.valid, shrink_marks(marks, (rows, cols)), 0).astype(np.uint8))


def shrink_marks(marks: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return marks uint8 of another shape in which none gets lost; of several on one pixel the last stays."""
    if marks.shape == shape:
        return marks
    rows, cols = np.nonzero(marks)
    shrunk = np.zeros(shape, np.uint8)
    shrunk[rows * shape[0] // marks.shape[0], cols * shape[1] // marks.shape[1]] = marks[rows, cols]
    return shrunk


def _outline(shape: shapely.Point | shapely.Polygon | shapely.MultiPolygon) -> shapely.Polygon | shapely.MultiPolygon:
    """Return what was painted, or the pixel that was clicked."""
    if not isinstance(shape, shapely.Point):
        return shape
    col, row = math.floor(shape.x), math.floor(shape.y)
    return shapely.box(col, row, col + 1, row + 1)


def _check_numbers(examples: Sequence[ClassExample], names: Sequence[str]) -> None:
    numbers = {example.class_number for example in examples}
    unknown = sorted(numbers - set(range(len(names))))
    if unknown:
        raise BadParameter(
            f"An example is of class number {unknown[0]}; the {len(names)} classes are 0 to {len(names) - 1}.", FIELD
        )


def _check_inside(outlines: Sequence[shapely.Geometry], ground: Ground) -> None:
    whole = shapely.box(0, 0, ground.width, ground.height)
    outside = next((outline for outline in outlines if not whole.intersects(outline.centroid)), None)
    if outside is not None:
        raise BadParameter(
            f"An example at column {int(outside.centroid.x)}, row {int(outside.centroid.y)} lies outside the raster of "
            f"{ground.width} x {ground.height} pixels.",
            FIELD,
        )
