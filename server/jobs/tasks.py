"""What jobs do: one class per kind of work, wired to stores and networks by the application factory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from server.jobs.records import JobRecord
from server.rasters.windows import PixelWindow
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.whole_raster.segmenting import SegmentRequest, SegmentResult

Report = Callable[[float, str], None]


class Segment(Protocol):
    """Segments `source` into files under `folder`; see `server.segmentation.whole_raster.segmenting`."""

    def __call__(self, source: Path, folder: Path, request: SegmentRequest, report: Report) -> SegmentResult:
        """Write the result into `folder` and return its summary."""
        ...


@dataclass(frozen=True)
class SegmentTask:
    """Segment one raster of a client.

    Attributes:
        find_source: (client id, raster id) -> the raster's file, the latest state of its side files included.
        publish: (client id, raster id, folder, summary) -> puts the finished folder in place of the older result.
        segment: the engine.
    """

    find_source: Callable[[str, str], Path]
    publish: Callable[[str, str, Path, dict[str, Any]], None]
    segment: Segment

    def __call__(self, record: JobRecord, report: Report) -> dict[str, Any]:
        """Run the job; whatever way it ends, nothing half-done stays behind.

        Raises:
            NoSuchRaster: the raster was deleted meanwhile.
            Cancelled: the client cancelled the job.
        """
        raster_id = record.request["raster_id"]
        source = self.find_source(record.client, raster_id)
        prefix = f"job-{record.job}-"
        for left_over in source.parent.glob(f"{prefix}*"):  # of an attempt that ended with its process
            shutil.rmtree(left_over, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=source.parent))
        try:
            result = self.segment(source, folder, read_request(record.request), report)
            summary = {
                **asdict(result),
                "job": record.job,
                "raster": record.raster,
                "out_raster": record.request["out_raster"],
                "checkpoint": record.request["checkpoint"],
                "parameters": record.request["parameters"],
                "rgb_index": record.request["band_indexes"],
                **{name: record.request.get(name) for name in ("window", "area", "resolution_m")},
                "full_cover": record.request.get("full_cover", False),
            }
            self.publish(record.client, raster_id, folder, summary)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return summary


def read_request(request: dict[str, Any]) -> SegmentRequest:
    """Return the engine's request from a job's stored one."""
    return SegmentRequest(
        band_indexes=tuple(request["band_indexes"]),
        settings=MaskGeneratorSettings.from_mapping(request["parameters"]),
        checkpoint=request["checkpoint"],
        window=PixelWindow(*request["window"]) if request["window"] else None,
        area=request.get("area"),  # jobs queued by an earlier version lack the last three
        resolution_m=request.get("resolution_m"),
        full_cover=request.get("full_cover", False),
    )
