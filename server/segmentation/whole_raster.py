"""Segments a raster of any size: window by window through the network, then merged, painted and written."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.rasters.labels import LabelCanvas
from server.rasters.opening import open_raster
from server.rasters.windows import PatchReader, PixelWindow, check_window, plan_windows
from server.segmentation.mask_records import MaskGenerator
from server.segmentation.merge import MergedObject, ObjectMerger
from server.segmentation.painting import Painter, number_visible
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.pieces import intersect, make_piece, slices_of
from server.segmentation.progress import Progress, Report
from server.vectors.geopackage import ObjectAttributes, write_objects

LABELS = "labels.tif"
OBJECTS = "objects.gpkg"
# Share of a window that its neighbour sees too: objects up to this size are whole in at least one window.
OVERLAP_SHARE = 0.25
# Where on the way from 0 to 1 the stages end; nearly all of the time goes into the network.
WINDOWS_END, COUNTED_END, PAINTED_END = 0.85, 0.89, 0.93

MakeGenerator = Callable[[str, MaskGeneratorSettings, Callable[[], None]], MaskGenerator]


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment and how.

    Attributes:
        band_indexes: bands the network sees as red, green and blue, counted from 1.
        settings: of the mask generator.
        checkpoint: name of the network's weights.
        window: part of the raster to segment; None means all of it. Labels always have the size of the raster.
    """

    band_indexes: tuple[int, ...]
    settings: MaskGeneratorSettings
    checkpoint: str
    window: PixelWindow | None = None


@dataclass(frozen=True)
class SegmentResult:
    """What came out, ready for JSON.

    Attributes:
        n_objects: objects in the label raster and in the GeoPackage.
        n_windows: windows the network looked at.
        n_empty_windows: windows that were skipped because they hold no data.
        width: of the label raster in pixels.
        height: of the label raster in pixels.
        seconds: wall-clock time.
    """

    n_objects: int
    n_windows: int
    n_empty_windows: int
    width: int
    height: int
    seconds: float


def segment_raster(
    source: Path, folder: Path, request: SegmentRequest, make_generator: MakeGenerator, report: Report
) -> SegmentResult:
    """Find all objects of a raster and write `labels.tif` and `objects.gpkg` into `folder`.

    The labels are int32, 0 background, ids 1..N without gaps, with the size and georeferencing of `source`; pixels
    without data stay 0. Memory follows the number of objects, not the size of the raster.

    Args:
        source: the raster.
        folder: receives both files at the end; whatever way the work ends, nothing else stays there.
        request: what to segment and how.
        make_generator: (checkpoint, settings, check) -> what finds the objects of one patch; it calls `check` often.
        report: told (fraction 0..1, step in plain words); may raise to stop the work.

    Raises:
        BadParameter: the window lies outside the raster, or a parameter is wrong.
        CheckpointMissing: the network cannot be loaded.
        NotARaster: the source cannot be read.
    """
    started = time.monotonic()
    progress = Progress(report)
    with open_raster(source) as raster:
        width, height = raster.width, raster.height
    region = check_window(source, request.window or (0, 0, width, height))
    progress.tell(0.0, "loading the network")
    generator = make_generator(request.checkpoint, request.settings, progress.check)
    merger = ObjectMerger()
    n_windows, n_empty = _find_objects(source, region, request, generator, merger, progress)
    with tempfile.TemporaryDirectory(prefix="segment-", dir=folder) as scratch:
        n_objects = _write_results(source, Path(scratch), merger.objects(), request.checkpoint, progress)
        progress.tell(1.0, "finished")  # the last chance to cancel: from here on nothing is undone
        for name in (OBJECTS, LABELS):
            os.replace(Path(scratch) / name, folder / name)  # noqa: PTH105 - atomic on every system
    return SegmentResult(n_objects, n_windows, n_empty, width, height, round(time.monotonic() - started, 3))


def _find_objects(
    source: Path,
    region: PixelWindow,
    request: SegmentRequest,
    generator: MaskGenerator,
    merger: ObjectMerger,
    progress: Progress,
) -> tuple[int, int]:
    """Show every window that holds data to the network; return (windows shown, windows skipped)."""
    windows = _plan(region, generator.input_size)
    n_empty = 0
    with PatchReader(source, request.band_indexes) as reader:
        for number, window in enumerate(windows, start=1):
            start, end = ((number - 1 + done) / len(windows) * WINDOWS_END for done in (0, 1))
            step = f"window {number} of {len(windows)}"
            progress.tell(start, step)
            patch = reader.read_patch(window)
            if not patch.valid.any():
                n_empty += 1
                continue
            records = generator.generate(patch.rgb, progress.stage(start, end, step))
            pieces = [make_piece(record, window, patch.valid, region) for record in records]
            merger.add(window, [piece for piece in pieces if piece is not None])
    return len(windows) - n_empty, n_empty


def _plan(region: PixelWindow, input_size: int) -> list[PixelWindow]:
    overlap = int(input_size * OVERLAP_SHARE)
    planned = plan_windows(region.width, region.height, size=input_size, overlap=overlap)
    return [PixelWindow(item.col + region.col, item.row + region.row, item.width, item.height) for item in planned]


def _write_results(
    source: Path, scratch: Path, objects: list[MergedObject], checkpoint: str, progress: Progress
) -> int:
    """Write both files into `scratch` and return the number of objects in them."""
    painter = Painter(objects)
    counts = painter.count_visible(progress.stage(WINDOWS_END, COUNTED_END, "merging objects"))
    ids = number_visible(counts)
    _paint(source, scratch, painter, ids, progress)
    attributes = {
        int(object_id): _describe(item, checkpoint)
        for object_id, item in zip(ids[1:], objects, strict=True)
        if object_id
    }
    tell = progress.stage(PAINTED_END, 1.0, "drawing outlines")
    return write_objects(scratch / LABELS, scratch / OBJECTS, attributes, tell)


def _paint(source: Path, scratch: Path, painter: Painter, ids: NDArray[np.int32], progress: Progress) -> None:
    """Write the label raster; `ids` translates painted values to final ids."""
    tell = progress.stage(COUNTED_END, PAINTED_END, "writing labels")
    blocks = painter.blocks()
    with LabelCanvas(source, scratch) as canvas:
        extent = PixelWindow(0, 0, canvas.width, canvas.height)
        for done, block in enumerate(blocks):
            tell(done / len(blocks))
            part = intersect(block, extent)
            if part is not None:
                canvas.write(part, ids[painter.paint(block)[slices_of(part, block)]])
        canvas.write_cog(scratch / LABELS)


def _describe(item: MergedObject, checkpoint: str) -> ObjectAttributes:
    return ObjectAttributes(
        predicted_iou=item.predicted_iou,
        stability_score=item.stability_score,
        point_xy=item.point_xy,
        source=f"automatic, checkpoint {checkpoint}",
    )
