"""What the job "segment" does, alone or with the help of other processes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from server.jobs.records import JobRecord
from server.jobs.tasks import Report, Segmenter, describe_run, job_folder, kept_folder, read_class_request, read_request
from server.segmentation.whole_raster.kept_files import count_kept
from server.segmentation.whole_raster.segmenting import SegmentRequest, SegmentResult
from server.segmentation.whole_raster.shared_look import SharedLook

# Looks at all windows, whoever else does: (id of the job, the windows, report of the finished share of them).
LookTogether = Callable[[str, SharedLook, Report], None]
# Share of a job after which every window was looked at once, without full cover and with it.
LOOKED_END, LOOKED_END_FULL_COVER = 0.6, 0.25


@dataclass(frozen=True)
class SegmentTask:
    """Segment one raster of a client.

    Attributes:
        find_source: (client id, raster id) -> the raster's file, the latest state of its side files included.
        publish: (client id, raster id, folder, summary) -> puts the finished folder in place of the older result.
        segmenter: the engine.
        look_together: shares the first look at windows with other processes; None where there are none.
    """

    find_source: Callable[[str, str], Path]
    publish: Callable[[str, str, Path, dict[str, Any]], None]
    segmenter: Segmenter
    look_together: LookTogether | None = None

    def __call__(self, record: JobRecord, report: Report) -> dict[str, Any]:
        """Run the job; nothing half-done stays behind but finished windows, until `discard`.

        Raises:
            NoSuchRaster: the raster was deleted meanwhile.
            Cancelled: the client cancelled the job.
        """
        raster_id = record.request["raster_id"]
        source = self.find_source(record.client, raster_id)
        with job_folder(source, record.job) as folder:
            result = self._segment(source, folder, record, report)
            summary = {**asdict(result), "job": record.job, "raster": record.raster, **describe_run(record.request)}
            self.publish(record.client, raster_id, folder, summary)
        return summary

    def _segment(self, source: Path, folder: Path, record: JobRecord, report: Report) -> SegmentResult:
        kept = kept_folder(source, record.job)
        if record.request.get("mode") == "class":
            return self.segmenter.segment_class(source, folder, read_class_request(record.request), report, kept)
        request = read_request(record.request)
        if self.look_together is None:
            return self.segmenter.segment(source, folder, request, report, kept)
        started = time.monotonic()
        looked_end = LOOKED_END_FULL_COVER if request.full_cover else LOOKED_END
        n_before = self._look(source, record.job, request, lambda share, step: report(share * looked_end, step))
        looked_s = time.monotonic() - started
        # It finds every window looked at, and goes on from there.
        result = self.segmenter.segment(
            source, folder, request, lambda share, step: report(max(share, looked_end), step), kept
        )
        n_reused = min(result.n_windows_reused, n_before)
        return replace(result, seconds=round(result.seconds + looked_s, 3), n_windows_reused=n_reused)

    def _look(self, source: Path, job: str, request: SegmentRequest, report: Report) -> int:
        """Have all windows looked at; return how many an earlier attempt had finished."""
        progress = Latest(report)
        with self.segmenter.open_look(source, request, kept_folder(source, job), progress.repeat) as look:
            if look is None or self.look_together is None:
                return 0
            n_before = look.n_windows - len(look.find_undone())
            self.look_together(job, look, progress.tell)
        return n_before

    def join(
        self, record: JobRecord, work: str, check: Callable[[], None]
    ) -> AbstractContextManager[SharedLook | None]:
        """Give the windows of a job that another process is at; see `SegmentationEngine.open_look`.

        Raises:
            NoSuchRaster: the raster was deleted meanwhile.
        """
        source = self.find_source(record.client, record.request["raster_id"])
        kept = kept_folder(source, record.job)
        return self.segmenter.open_look(source, read_request(record.request), kept, check, work)

    def count_finished(self, record: JobRecord) -> int:
        """Return how many windows an interrupted job has finished; the next attempt does not look at them again."""
        return count_kept(kept_folder(self.find_source(record.client, record.request["raster_id"]), record.job))

    def discard(self, record: JobRecord) -> None:
        """Remove the finished windows of a job that is over.

        Raises:
            NoSuchRaster: the raster was deleted meanwhile, and they with it.
        """
        source = self.find_source(record.client, record.request["raster_id"])
        shutil.rmtree(kept_folder(source, record.job), ignore_errors=True)


class Latest:
    """Repeats the latest report, for places that only ask whether to go on."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._share, self._step = 0.0, "loading the network"

    def tell(self, share: float, step: str) -> None:
        """Report the finished share, 0..1, and in plain words what happens now; may raise to stop."""
        self._share, self._step = share, step
        self._report(share, step)

    def repeat(self) -> None:
        """Say the same again; may raise to stop."""
        self._report(self._share, self._step)
