"""Segments a raster of any size: window by window through the network, then merged, painted and written."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.errors import BadParameter
from server.rasters.area import Area, read_area
from server.rasters.ground_resolution import read_pixel_size_m
from server.rasters.labels import LabelCanvas
from server.rasters.opening import open_raster
from server.rasters.windows import PatchReader, PixelWindow, check_window
from server.segmentation.mask_records import MaskGenerator, Thresholds
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.progress import Progress, Report, Span
from server.segmentation.whole_raster.finished_windows import FinishedWindows
from server.segmentation.whole_raster.labelling import Labelling
from server.segmentation.whole_raster.looking import Viewer
from server.vectors.geopackage import write_objects

LABELS = "labels.tif"
OBJECTS = "objects.gpkg"
# Share of the work after which the label raster is done; nearly all of the time goes into the network.
LABELLED_END = 0.94
# Ground resolutions that can be meant: finer than any camera in the air, and coarser than weather satellites.
MIN_RESOLUTION_M, MAX_RESOLUTION_M = 0.001, 10_000.0
# Closer to the raster's own resolution than it can be measured, or than anyone would see: nothing is resampled then.
SAME_RESOLUTION = 0.01

MakeGenerator = Callable[[str, MaskGeneratorSettings, Callable[[], None]], MaskGenerator]


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment and how.

    Attributes:
        band_indexes: bands the network sees as red, green and blue, counted from 1.
        settings: of the mask generator.
        checkpoint: name of the network's weights.
        window: part of the raster to segment; None means all of it. Labels always have the size of the raster.
        resolution_m: metres on the ground per pixel of the network's input; None means pixels as they are.
        full_cover: go on until nearly all of the ground belongs to an object.
        area: GeoJSON Polygon or MultiPolygon in longitude and latitude, outside which nothing is labelled; in pixels
            where the raster has no coordinate reference system. None means no limit.
    """

    band_indexes: tuple[int, ...]
    settings: MaskGeneratorSettings
    checkpoint: str
    window: PixelWindow | None = None
    resolution_m: float | None = None
    full_cover: bool = False
    area: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class SegmentResult:
    """What came out, ready for JSON.

    Attributes:
        n_objects: objects in the label raster and in the GeoPackage.
        n_windows: windows the network looked at.
        n_empty_windows: windows that were skipped because they hold no data.
        width: of the label raster in pixels.
        height: of the label raster in pixels.
        seconds: wall-clock time of the last attempt.
        n_windows_reused: those of `n_windows` that the network had looked at in an attempt that was interrupted.
    """

    n_objects: int
    n_windows: int
    n_empty_windows: int
    width: int
    height: int
    seconds: float
    n_windows_reused: int = 0


@dataclass(frozen=True)
class Ground:
    """What of a raster is segmented, and how coarsely.

    Attributes:
        width: of the raster in pixels.
        height: of the raster in pixels.
        region: the part that is looked at.
        pixel_step: pixels of the raster per pixel of the network's input.
        area: what of the region counts; None means all.
    """

    width: int
    height: int
    region: PixelWindow
    pixel_step: float
    area: Area | None


def read_ground(
    source: Path, window: PixelWindow | None, resolution_m: float | None, area: Mapping[str, Any] | None
) -> Ground:
    """Check a request against its raster; arguments as in `SegmentRequest`.

    Raises:
        BadParameter: the window or the area lies outside the raster, or the resolution cannot be meant.
        NotARaster: the source cannot be read.
    """
    with open_raster(source) as raster:
        width, height = raster.width, raster.height
    region = check_window(source, window or (0, 0, width, height))
    step = _choose_step(source, resolution_m)
    return Ground(width, height, region, step, None if area is None else read_area(source, area))


def segment_raster(
    source: Path,
    folder: Path,
    request: SegmentRequest,
    make_generator: MakeGenerator,
    report: Report,
    finished: FinishedWindows | None = None,
) -> SegmentResult:
    """Find all objects of a raster and write `labels.tif` and `objects.gpkg` into `folder`.

    The labels are int32, 0 background, ids 1..N without gaps, with the size and georeferencing of `source`; pixels
    without data stay 0. Memory follows the window, not the size of the raster: masks wait in a scratch file.

    Args:
        source: the raster.
        folder: receives both files at the end; whatever way the work ends, nothing else stays there.
        request: what to segment and how.
        make_generator: (checkpoint, settings, check) -> what finds the objects of one patch; it calls `check` often.
        report: told (fraction 0..1, step in plain words); may raise to stop the work.
        finished: keeps what the network finds, for another attempt at the same work; what it holds is not looked for
            again, which changes nothing in the labels. None keeps nothing.

    Raises:
        BadParameter: the window or the area lies outside the raster, or a parameter is wrong.
        CheckpointMissing: the network cannot be loaded.
        NotARaster: the source cannot be read.
    """
    started = time.monotonic()
    progress = Progress(report)
    ground = read_ground(source, request.window, request.resolution_m, request.area)
    progress.tell(0.0, "loading the network")
    generator = make_generator(request.checkpoint, request.settings, progress.check)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segment-", dir=folder)))
        reader = stack.enter_context(PatchReader(source, request.band_indexes))
        viewer = Viewer(reader, generator, ground.region, ground.pixel_step, ground.area, finished)
        with LabelCanvas(source, scratch) as labels:
            labelling = Labelling(viewer, labels, request.checkpoint, _thresholds_of(request), scratch)
            found = labelling.run(Span(progress, 0.0, LABELLED_END), full_cover=request.full_cover)
            progress.tell(LABELLED_END, "writing the labels")
            labels.write_cog(scratch / LABELS, progress.check)
        tell = progress.stage(LABELLED_END, 1.0, "drawing outlines")
        n_objects = write_objects(scratch / LABELS, scratch / OBJECTS, found.attributes, tell)
        progress.tell(1.0, "finished")  # the last chance to cancel: from here on nothing is undone
        for name in (OBJECTS, LABELS):
            os.replace(scratch / name, folder / name)  # noqa: PTH105 - atomic on every system
    seconds = round(time.monotonic() - started, 3)
    n_seen = found.n_windows - found.n_empty
    n_reused = 0 if finished is None else finished.n_reused
    return SegmentResult(n_objects, n_seen, found.n_empty, ground.width, ground.height, seconds, n_reused)


def _thresholds_of(request: SegmentRequest) -> Thresholds:
    return Thresholds(request.settings.pred_iou_thresh, request.settings.stability_score_thresh)


def _choose_step(source: Path, resolution_m: float | None) -> float:
    """Return pixels of the raster per pixel of the network's input.

    Raises:
        BadParameter: the resolution is out of range, or the raster has no place on Earth to measure it.
    """
    if resolution_m is None:
        return 1.0
    if not MIN_RESOLUTION_M <= resolution_m <= MAX_RESOLUTION_M:  # false for NaN, too
        raise BadParameter(
            f'"resolution_m" is {resolution_m}; expected metres per pixel from {MIN_RESOLUTION_M} to '
            f"{MAX_RESOLUTION_M:.0f}, or nothing for the raster's own pixels.",
            "resolution_m",
        )
    step = resolution_m / read_pixel_size_m(source)
    return 1.0 if abs(step - 1) < SAME_RESOLUTION else step
