"""Classifies a raster of any size: window by window through a backbone, blended, decided and written."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from server.errors import BadParameter
from server.rasters.labels import LabelCanvas, Palette
from server.rasters.windows import PatchReader, PixelWindow
from server.segmentation.progress import Progress, Report
from server.segmentation.whole_raster.painting import split_into_blocks
from server.segmentation.whole_raster.rectangles import slices_of
from server.segmentation.whole_raster.segmenting import read_ground
from server.vocabulary.head import ClassMap, choose_classes, find_probabilities
from server.vocabulary.logits import Looker
from server.vocabulary.raster_viewer import RasterViewer
from server.vocabulary.strips import Logits, blend_queries, plan_grid

CLASSES, PROBABILITY = "classes.tif", "probability.tif"
# Where on the way from 0 to 1 looking ends; the rest is writing.
LOOKED_END = 0.94
MakeLooker = Callable[[Callable[[], None]], Looker]


@dataclass(frozen=True)
class ClassifyRequest:
    """What to classify and how.

    Attributes:
        band_indexes: bands the network sees as red, green and blue, counted from 1.
        names: of the classes, by number from 0.
        colours: red, green, blue, 0..255 each, of every class.
        window: part of the raster to classify; None means all of it. The class raster always has the raster's size.
        resolution_m: metres on the ground per pixel of the network's input; None means pixels as they are.
        area: GeoJSON Polygon or MultiPolygon outside which nothing is classified; see `SegmentRequest`.
    """

    band_indexes: tuple[int, ...]
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    window: PixelWindow | None = None
    resolution_m: float | None = None
    area: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse classes without colours.

        Raises:
            BadParameter: there are not as many colours as classes.
        """
        if len(self.names) != len(self.colours):
            raise BadParameter(
                f"{len(self.colours)} colours for {len(self.names)} classes; expected one each.", "colours"
            )


@dataclass(frozen=True)
class ClassifyResult:
    """What came out, ready for JSON.

    Attributes:
        n_pixels: of every class, by number.
        width: of the class raster in pixels.
        height: of the class raster in pixels.
        seconds: wall-clock time.
    """

    n_pixels: tuple[int, ...]
    width: int
    height: int
    seconds: float


def classify_raster(
    source: Path, folder: Path, request: ClassifyRequest, make_looker: MakeLooker, report: Report
) -> ClassifyResult:
    """Give every pixel of a raster a class and write `classes.tif` and `probability.tif` into `folder`.

    Both have the size and georeferencing of `source`, and 0 where it has no data. Classes are uint8 with a colour table
    and names, 1 + the number of the class. Probabilities are those of the likeliest class in per cent, 1..100. Memory
    follows the window and the number of queries, not the size of the raster. Windows are those of the looker's settings
    at the ground resolution asked for; `long_side` is for single pictures and counts for nothing here.

    Args:
        source: the raster.
        folder: receives both files at the end; whatever way the work ends, nothing else stays there.
        request: what to classify and how.
        make_looker: (check) -> what finds the queries in a window; it calls `check` while it waits.
        report: told (fraction 0..1, step in plain words); may raise to stop the work.

    Raises:
        BadParameter: the window or the area lies outside the raster, or a parameter is wrong.
        CheckpointMissing: a network cannot be loaded.
        NotARaster: the source cannot be read.
    """
    started = time.monotonic()
    progress = Progress(report)
    ground = read_ground(source, request.window, request.resolution_m, request.area)
    progress.tell(0.0, "loading the network")
    looker = make_looker(progress.check)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="classify-", dir=folder)))
        reader = stack.enter_context(PatchReader(source, request.band_indexes))
        classes = stack.enter_context(LabelCanvas(source, scratch, _make_palette(request)))
        probability = stack.enter_context(LabelCanvas(source, scratch))
        writer = _Writer(RasterViewer(reader, looker, ground), classes, probability, len(request.names))
        _look(writer, progress)
        progress.tell(LOOKED_END, "writing the classes")
        classes.write_cog(scratch / CLASSES, progress.check)
        probability.write_cog(scratch / PROBABILITY, progress.check)
        progress.tell(1.0, "finished")  # the last chance to cancel: from here on nothing is undone
        for name in (PROBABILITY, CLASSES):
            os.replace(scratch / name, folder / name)  # noqa: PTH105 - atomic on every system
    seconds = round(time.monotonic() - started, 3)
    return ClassifyResult(tuple(writer.n_pixels.tolist()), ground.width, ground.height, seconds)


def _look(writer: _Writer, progress: Progress) -> None:
    """Look at all windows and write what is finished."""
    viewer = writer.viewer
    settings, n_queries = viewer.looker.settings, len(viewer.looker.queries.class_of)
    size, overlap = (
        max(1, int(side * viewer.ground.pixel_step)) for side in (settings.window, settings.window - settings.stride)
    )
    grid = plan_grid(viewer.ground.region, size, min(overlap, size - 1))
    n_looks = grid.count_looks(n_queries)
    tell = progress.stage(0.0, LOOKED_END, f"looking at {n_looks} windows")
    n_done = 0

    def look(window: PixelWindow) -> Logits | None:
        nonlocal n_done
        tell(n_done / n_looks)
        n_done += 1
        return viewer.look(window)

    blend_queries(grid, n_queries, look, writer.write)


class _Writer:
    """Decides about finished logits and writes both rasters.

    Attributes:
        viewer: of the raster.
        n_pixels: of every class so far.
    """

    def __init__(self, viewer: RasterViewer, classes: LabelCanvas, probability: LabelCanvas, n_classes: int) -> None:
        self.viewer = viewer
        self._classes = classes
        self._probability = probability
        self.n_pixels = np.zeros(n_classes, np.int64)

    def write(self, part: PixelWindow, logits: Logits) -> None:
        """Take finished logits (Q, part.height, part.width)."""
        for block in split_into_blocks(part):
            valid = self.viewer.read_valid(block)
            if not valid.any():
                continue
            found = self._decide(logits[(slice(None), *slices_of(block, part))])
            self.n_pixels += np.bincount(found.classes[valid], minlength=len(self.n_pixels))
            self._classes.write(block, np.where(valid, found.classes + 1, 0).astype(np.uint8))
            per_cent = np.clip(np.round(found.probability * 100), 1, 100)
            self._probability.write(block, np.where(valid, per_cent, 0).astype(np.int32))

    def _decide(self, logits: Logits) -> ClassMap:
        looker = self.viewer.looker
        probabilities = find_probabilities(
            torch.from_numpy(logits), looker.queries.class_of, looker.settings.logit_scale
        )
        return choose_classes(probabilities, looker.settings)


def _make_palette(request: ClassifyRequest) -> Palette:
    numbered = range(1, len(request.names) + 1)
    return Palette(dict(zip(numbered, request.names, strict=True)), dict(zip(numbered, request.colours, strict=True)))
