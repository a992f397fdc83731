"""What jobs do: one class per kind of work, wired to stores and networks by the application factory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import shapely

from server.errors import WrongMoment
from server.jobs.records import JobRecord
from server.rasters.windows import PixelWindow
from server.segmentation.batch_prompts.prompts import BatchNetwork
from server.segmentation.class_mode.segmenting import ClassRequest
from server.segmentation.many_prompts.answering import ManyPromptsRequest, ManyPromptsResult
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.similar.searching import SimilarRequest, SimilarResult
from server.segmentation.whole_raster.segmenting import SegmentRequest, SegmentResult
from server.segmentation.whole_raster.shared_look import SharedLook

Report = Callable[[float, str], None]


class Segmenter(Protocol):
    """Turns a raster into labels and outlines, files under `folder`; see `server.segmentation.engine`."""

    def segment(
        self, source: Path, folder: Path, request: SegmentRequest, report: Report, kept: Path | None = None
    ) -> SegmentResult:
        """Find all objects and return the summary of the result; finished windows go into `kept`, for a restart."""
        ...

    def open_look(
        self, source: Path, request: SegmentRequest, kept: Path, check: Callable[[], None], work: str | None = None
    ) -> AbstractContextManager[SharedLook | None]:
        """Give the first look of `segment`, for several processes; None where this one would call it not `work`."""
        ...

    def segment_class(
        self, source: Path, folder: Path, request: ClassRequest, report: Report, kept: Path | None = None
    ) -> SegmentResult:
        """Find one class and return the summary of the result; see `segment` for `kept`."""
        ...

    def find_similar(self, source: Path, labels: Path, request: SimilarRequest, report: Report) -> SimilarResult:
        """Rank the objects of a result by their likeness to examples."""
        ...

    def answer_many(self, source: Path, request: ManyPromptsRequest, report: Report) -> ManyPromptsResult:
        """Outline the objects of many prompts."""
        ...

    def make_batch_network(self, checkpoint: str, check: Callable[[], None]) -> BatchNetwork:
        """Return what answers many prompts on a patch; `check` is called while it waits, and may raise to stop."""
        ...


@contextmanager
def job_folder(source: Path, job: str) -> Iterator[Path]:
    """Give a job a folder beside its raster, from which the result is published; nothing else of it stays.

    Args:
        source: the raster's file.
        job: id of the job; what an attempt that ended with its process has left is removed, finished windows aside.
    """
    prefix = f"job-{job}-"
    for left_over in source.parent.glob(f"{prefix}*"):
        if left_over != kept_folder(source, job):
            shutil.rmtree(left_over, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=source.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kept_folder(source: Path, job: str) -> Path:
    """Return where a job keeps its finished windows; `server.cleaning` knows the folders of jobs by their names."""
    return source.parent / f"job-{job}-windows"


@dataclass(frozen=True)
class SimilarTask:
    """Look for objects like some examples in the latest result of a raster.

    Attributes:
        find_result: (client id, raster id) -> the raster's file, the labels of its latest result and that one's number.
        find_kept: raster id -> outlines of the objects in its annotation layer, in pixels.
        segmenter: the engine.
    """

    find_result: Callable[[str, str], tuple[Path, Path, int]]
    find_kept: Callable[[str], list[shapely.MultiPolygon]]
    segmenter: Segmenter

    def __call__(self, record: JobRecord, report: Report) -> dict[str, Any]:
        """Run the job.

        Raises:
            NoSuchRaster: the raster was deleted meanwhile.
            WrongMoment: it was segmented anew meanwhile, so that ids mean other objects.
            Cancelled: the client cancelled the job.
        """
        request = record.request
        source, labels, result = self.find_result(record.client, request["raster_id"])
        if result != request["result_number"]:
            raise WrongMoment("The raster was segmented anew meanwhile. Search again.", "raster")
        similar = read_similar_request(request, self.find_kept(request["raster_id"]))
        found = self.segmenter.find_similar(source, labels, similar, report)
        return {"raster": record.raster, "result_number": result, **asdict(found)}


def read_similar_request(request: dict[str, Any], kept: Sequence[shapely.MultiPolygon]) -> SimilarRequest:
    """Return the engine's request for similar objects from a job's stored one and all accepted outlines."""
    return SimilarRequest(
        band_indexes=tuple(request["band_indexes"]),
        checkpoint=request["checkpoint"],
        examples=[shapely.from_wkb(bytes.fromhex(outline)) for outline in request["examples"]],
        n_objects=request["n_objects"],
        kept=kept,
        window=_read_window(request),
        limit=request["limit"],
    )


def describe_run(request: dict[str, Any]) -> dict[str, Any]:
    """Return how a result was made, in the words of `/segment`; jobs queued by an earlier version lack some fields."""
    return {
        **{name: request[name] for name in ("out_raster", "checkpoint", "parameters")},
        "rgb_index": request["band_indexes"],
        "mode": request.get("mode", "everything"),
        **{name: request.get(name) for name in ("class_name", "window", "area", "resolution_m")},
        "full_cover": request.get("full_cover", False),
    }


def read_request(request: dict[str, Any]) -> SegmentRequest:
    """Return the engine's request for all objects from a job's stored one."""
    return SegmentRequest(
        band_indexes=tuple(request["band_indexes"]),
        settings=MaskGeneratorSettings.from_mapping(request["parameters"]),
        checkpoint=request["checkpoint"],
        window=_read_window(request),
        area=request.get("area"),  # jobs queued by an earlier version lack the last three
        resolution_m=request.get("resolution_m"),
        full_cover=request.get("full_cover", False),
    )


def read_class_request(request: dict[str, Any]) -> ClassRequest:
    """Return the engine's request for one class from a job's stored one."""
    return ClassRequest(
        band_indexes=tuple(request["band_indexes"]),
        checkpoint=request["checkpoint"],
        class_name=request["class_name"],
        window=_read_window(request),
        area=request["area"],
        resolution_m=request["resolution_m"],
        min_mask_region_area=request["parameters"]["min_mask_region_area"],
    )


def _read_window(request: dict[str, Any]) -> PixelWindow | None:
    return PixelWindow(*request["window"]) if request["window"] else None
