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

from server.errors import BadParameter
from server.rasters.label_reader import LabelReader
from server.rasters.labels import LabelCanvas, Palette
from server.rasters.windows import PatchReader, PixelWindow
from server.segmentation.class_mode.class_areas import CLASSES, PROBABILITY
from server.segmentation.progress import Progress, Report, Span
from server.segmentation.whole_raster.segmenting import LABELS, OBJECTS, Ground, read_ground
from server.vectors.geopackage import write_objects
from server.vocabulary.class_painting import ClassCanvas, ClassPainting
from server.vocabulary.raster_viewer import RasterViewer, WindowLooker
from server.vocabulary.refining import ClassifiedObjects, ObjectClasses
from server.vocabulary.strips import Logits, blend_queries, plan_grid

# Where on the way from 0 to 1 the stages end. Finding objects takes several times as long as looking at classes.
OBJECTS_END, LOOKED_END, AGREED_END, WRITTEN_END = 0.7, 0.94, 0.96, 0.98
MakeLooker = Callable[[Callable[[], None]], WindowLooker]
# (folder, report): writes `labels.tif` and `objects.gpkg` of the same raster into a folder, as `segment_raster` does.
FindObjects = Callable[[Path, Report], object]


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
        refine: let SAM's objects sharpen the map: doubtful pixels take the class that their object's agree on. Needs
            `find_objects`.
    """

    band_indexes: tuple[int, ...]
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    window: PixelWindow | None = None
    resolution_m: float | None = None
    area: Mapping[str, Any] | None = None
    refine: bool = False

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
        n_objects: that took a class, all with class and score in `objects.gpkg`; None where nothing was refined.
    """

    n_pixels: tuple[int, ...]
    width: int
    height: int
    seconds: float
    n_objects: int | None = None


def classify_raster(
    source: Path,
    folder: Path,
    request: ClassifyRequest,
    make_looker: MakeLooker,
    report: Report,
    find_objects: FindObjects | None = None,
) -> ClassifyResult:
    """Give every pixel of a raster a class and write `classes.tif` and `probability.tif` into `folder`.

    Where the map is refined, also `labels.tif` and `objects.gpkg`: SAM's objects, each with the class it took and, as
    its `predicted_iou`, the mean probability of that class over its pixels.

    All rasters have the size and georeferencing of `source`, and 0 where it has no data. Classes are uint8 with a
    colour table and names, 1 + the number of the class. Probabilities are those of the class in per cent, 1..100.
    Memory follows the window, the number of queries and that of objects, not the size of the raster. Windows are those
    of the looker's settings at the ground resolution asked for; `long_side` is for single pictures.

    Args:
        source: the raster.
        folder: receives all files at the end; whatever way the work ends, nothing else stays there.
        request: what to classify and how.
        make_looker: (check) -> what finds the queries in a window; it calls `check` while it waits.
        report: told (fraction 0..1, step in plain words); may raise to stop the work.
        find_objects: finds SAM's objects where the map shall be refined by them.

    Raises:
        BadParameter: the window or the area lies outside the raster, or a parameter is wrong.
        CheckpointMissing: a network cannot be loaded.
        NotARaster: the source cannot be read.
    """
    started = time.monotonic()
    if request.refine and find_objects is None:
        raise ValueError("a map can only be refined by objects, and nothing was given that finds them")
    progress = Progress(report)
    ground = read_ground(source, request.window, request.resolution_m, request.area)
    with tempfile.TemporaryDirectory(prefix="classify-", dir=folder) as name:
        work = _Work(source, Path(name), request, ground, progress)
        objects = _find_objects(work, find_objects) if find_objects and request.refine else None
        n_pixels, n_objects = _classify(work, make_looker, objects)
        progress.tell(1.0, "finished")  # the last chance to cancel: from here on nothing is undone
        for finished in (*((OBJECTS, LABELS) if objects else ()), PROBABILITY, CLASSES):
            os.replace(work.scratch / finished, folder / finished)  # noqa: PTH105 - atomic on every system
    seconds = round(time.monotonic() - started, 3)
    return ClassifyResult(n_pixels, ground.width, ground.height, seconds, n_objects)


@dataclass(frozen=True)
class _Work:
    """One classification.

    Attributes:
        source: the raster.
        scratch: folder of its files until they are finished.
        request: what to classify and how.
        ground: what of the raster counts.
        progress: of all work.
    """

    source: Path
    scratch: Path
    request: ClassifyRequest
    ground: Ground
    progress: Progress


def _find_objects(work: _Work, find_objects: FindObjects) -> Path:
    """Return the folder with SAM's objects."""
    folder = work.scratch / "objects"
    folder.mkdir()
    find_objects(folder, lambda share, step: work.progress.tell(share * OBJECTS_END, step))
    return folder


def _classify(work: _Work, make_looker: MakeLooker, objects: Path | None) -> tuple[tuple[int, ...], int | None]:
    """Write the finished files into the scratch folder; return the pixels of each class and the number of objects."""
    names, progress = work.request.names, work.progress
    looking = Span(progress, OBJECTS_END if objects else 0.0, LOOKED_END)
    looking.tell("loading the network")
    looker = make_looker(progress.check)
    with ExitStack() as stack:
        reader = stack.enter_context(PatchReader(work.source, work.request.band_indexes))
        classes = stack.enter_context(LabelCanvas(work.source, work.scratch, _make_palette(work.request)))
        probability = stack.enter_context(LabelCanvas(work.source, work.scratch))
        labels = stack.enter_context(LabelReader(objects / LABELS)) if objects else None
        viewer = RasterViewer(reader, looker, work.ground)
        painting = ClassPainting(viewer, ClassCanvas(classes, probability), len(names), labels)
        _look(viewer, painting, looking)
        decided = painting.refine(labels, Span(progress, LOOKED_END, AGREED_END)) if labels else None
        progress.tell(AGREED_END, "writing the classes")
        classes.write_cog(work.scratch / CLASSES, progress.check)
        probability.write_cog(work.scratch / PROBABILITY, progress.check)
    n_pixels = tuple(painting.n_pixels.tolist())
    if not objects or not decided:
        return n_pixels, None
    return n_pixels, _write_objects(work, objects, decided)


def _write_objects(work: _Work, objects: Path, decided: ObjectClasses) -> int:
    """Write SAM's objects with the classes they took; return how many there are."""
    os.replace(objects / LABELS, work.scratch / LABELS)  # noqa: PTH105 - within one folder
    known = ClassifiedObjects(objects / OBJECTS, decided, work.request.names)
    tell = work.progress.stage(WRITTEN_END, 1.0, "drawing outlines")
    return write_objects(work.scratch / LABELS, work.scratch / OBJECTS, known, tell)


def _look(viewer: RasterViewer, painting: ClassPainting, span: Span) -> None:
    """Look at all windows and paint what is finished."""
    settings, n_queries = viewer.looker.settings, len(viewer.looker.class_of)
    size, overlap = (
        max(1, int(side * viewer.ground.pixel_step)) for side in (settings.window, settings.window - settings.stride)
    )
    grid = plan_grid(viewer.ground.region, size, min(overlap, size - 1))
    n_looks = grid.count_looks(n_queries)
    tell = span.stage(f"looking at {n_looks} windows")
    n_done = 0

    def look(window: PixelWindow) -> Logits | None:
        nonlocal n_done
        tell(n_done / n_looks)
        n_done += 1
        return viewer.look(window)

    blend_queries(grid, n_queries, look, painting.write)


def _make_palette(request: ClassifyRequest) -> Palette:
    numbered = range(1, len(request.names) + 1)
    return Palette(dict(zip(numbered, request.names, strict=True)), dict(zip(numbered, request.colours, strict=True)))
