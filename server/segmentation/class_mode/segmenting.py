"""Segments a raster of any size for one class and writes its connected areas, as other results are written."""

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

from server.errors import BadParameter
from server.rasters.labels import LabelCanvas
from server.rasters.windows import PatchReader, PixelWindow
from server.segmentation.class_mode.blending import Logits, blend
from server.segmentation.class_mode.finished_rows import FinishedRows
from server.segmentation.class_mode.looking import ClassNetwork, ClassViewer
from server.segmentation.progress import Progress, Report, Span
from server.segmentation.whole_raster.kept_files import KeptFiles
from server.segmentation.whole_raster.leftovers import Leftovers
from server.segmentation.whole_raster.painting import LabelPainting, number_visible, split_into_blocks
from server.segmentation.whole_raster.rectangles import slices_of
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS, SegmentResult, read_ground
from server.segmentation.whole_raster.window_plan import WindowPlan, plan_grid
from server.vectors.geopackage import ObjectAttributes, write_objects

# Where on the way from 0 to 1 the stages end; nearly all of the time goes into the network.
LOOKED_END, NUMBERED_END, WRITTEN_END = 0.88, 0.92, 0.94
MakeClassNetwork = Callable[[str, Callable[[], None]], ClassNetwork]


@dataclass(frozen=True)
class ClassRequest:
    """What to segment and how.

    Attributes:
        band_indexes: bands the network sees as red, green and blue, counted from 1.
        checkpoint: name of the weights, fine-tuned for the class.
        class_name: written with every outline.
        window: part of the raster to segment; None means all of it.
        resolution_m: metres on the ground per pixel of the network's input; None means pixels as they are.
        area: GeoJSON Polygon or MultiPolygon outside which nothing is labelled; see `SegmentRequest`.
        min_mask_region_area: connected areas of fewer pixels are dropped.
    """

    band_indexes: tuple[int, ...]
    checkpoint: str
    class_name: str
    window: PixelWindow | None = None
    resolution_m: float | None = None
    area: Mapping[str, Any] | None = None
    min_mask_region_area: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be meant.

        Raises:
            BadParameter: the least area is negative.
        """
        if self.min_mask_region_area < 0:
            raise BadParameter(
                f'"min_mask_region_area" is {self.min_mask_region_area}; expected 0 or more pixels.',
                "min_mask_region_area",
            )


@dataclass(frozen=True)
class _Seen:
    """How many windows the network was shown, how many held no data, and how many an earlier attempt had shown."""

    n_seen: int
    n_empty: int
    n_reused: int


def segment_class(
    source: Path,
    folder: Path,
    request: ClassRequest,
    make_network: MakeClassNetwork,
    report: Report,
    kept: KeptFiles | None = None,
) -> SegmentResult:
    """Find one class in a raster and write `labels.tif` and `objects.gpkg` into `folder`.

    The labels are int32 with the size and georeferencing of `source`; all that is not 0 is the class, and every
    connected area of it (over sides of pixels) has an id from 1..N. Pixels without data stay 0.

    Args:
        source: the raster.
        folder: receives both files at the end; whatever way the work ends, nothing else stays there.
        request: what to segment and how.
        make_network: (checkpoint, check) -> what finds the class in a patch; it calls `check` while it waits.
        report: told (fraction 0..1, step in plain words); may raise to stop the work.
        kept: of earlier attempts at the same work, and of this one; None keeps nothing.

    Raises:
        BadParameter: the window or the area lies outside the raster, or a parameter is wrong.
        CheckpointMissing: the network cannot be loaded.
        NotARaster: the source cannot be read.
    """
    started = time.monotonic()
    progress = Progress(report)
    ground = read_ground(source, request.window, request.resolution_m, request.area)
    progress.tell(0.0, "loading the network")
    network = make_network(request.checkpoint, progress.check)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segment-", dir=folder)))
        reader = stack.enter_context(PatchReader(source, request.band_indexes))
        found = stack.enter_context(LabelCanvas(source, scratch))
        viewer = ClassViewer(reader, network, ground.pixel_step, ground.area)
        plan = plan_grid(ground.region, viewer.size_px)
        seen = _find(viewer, plan, found, progress, None if kept is None else FinishedRows(kept, plan))
        n_objects = _write(source, scratch, found, ground.region, request, progress)
        progress.tell(1.0, "finished")  # the last chance to cancel: from here on nothing is undone
        for name in (OBJECTS, LABELS):
            os.replace(scratch / name, folder / name)  # noqa: PTH105 - atomic on every system
    seconds = round(time.monotonic() - started, 3)
    return SegmentResult(n_objects, seen.n_seen, seen.n_empty, ground.width, ground.height, seconds, seen.n_reused)


def _find(
    viewer: ClassViewer, plan: WindowPlan, found: LabelCanvas, progress: Progress, finished: FinishedRows | None
) -> _Seen:
    """Paint 1 into `found` wherever the class is."""
    tell = progress.stage(0.0, LOOKED_END, f"looking at {len(plan.windows)} windows")
    numbers = {window: number for number, window in enumerate(plan.windows)}

    def look(window: PixelWindow) -> Logits | None:
        tell(numbers[window] / len(numbers))
        return viewer.look(window) if finished is None else finished.look(window, lambda: viewer.look(window))

    def write(strip: PixelWindow, logits: Logits) -> None:
        decided = logits > 0 if finished is None else finished.decide(strip, logits)
        for block in split_into_blocks(strip):
            is_class = decided[slices_of(block, strip)]
            if is_class.any():
                found.write(block, (is_class & viewer.read_valid(block)).astype(np.int32))

    n_empty = blend(plan, look, write)
    if finished is None:
        return _Seen(len(plan.windows) - n_empty, n_empty, 0)
    return _Seen(len(plan.windows) - finished.n_empty, finished.n_empty, finished.n_reused)


def _write(
    source: Path, folder: Path, found: LabelCanvas, region: PixelWindow, request: ClassRequest, progress: Progress
) -> int:
    """Write labels and outlines of what was found into `folder`; return the number of areas."""
    with LabelCanvas(source, folder) as labels:
        painting = LabelPainting(labels, region, lambda block: found.read(block) > 0)
        n_areas = _number(painting, request.min_mask_region_area, Span(progress, LOOKED_END, NUMBERED_END))
        progress.tell(NUMBERED_END, "writing the labels")
        labels.write_cog(folder / LABELS, progress.check)
    made_by = f"class mode, checkpoint {request.checkpoint}"
    attributes = ObjectAttributes(class_name=request.class_name, source=made_by)
    tell = progress.stage(WRITTEN_END, 1.0, "drawing outlines")
    return write_objects(folder / LABELS, folder / OBJECTS, dict.fromkeys(range(1, n_areas + 1), attributes), tell)


def _number(painting: LabelPainting, min_area_px: int, span: Span) -> int:
    """Give every connected area of the class an id, from 1 without gaps, drop the small ones, return how many stay.

    Free ground on which an object may lie is numbered as full cover numbers what no mask covers; here the ground is
    what was found, `painting.read_valid`.
    """
    areas_px = Leftovers(painting, 1.0).number_rest(0, span.part(0.0, 0.7).stage("numbering areas"))
    is_kept = areas_px >= min_area_px
    if not is_kept.all():
        painting.renumber(number_visible(areas_px * is_kept), span.part(0.7, 1.0).stage("dropping small areas"))
    return int(is_kept.sum())
