"""The engine the service and the command line share: networks kept in memory, rasters segmented with them."""

from __future__ import annotations

from pathlib import Path

from server.segmentation.model_store import ModelStore
from server.segmentation.progress import Report
from server.segmentation.whole_raster.segmenting import SegmentRequest, SegmentResult, segment_raster


class SegmentationEngine:
    """Segments rasters with the networks of one `ModelStore`; creating it loads nothing."""

    def __init__(
        self, folder: Path, device: str = "auto", embedding_cache_bytes: int = 1 << 30, precision: str = "float32"
    ) -> None:
        """Prepare an engine; see `ModelStore` for the arguments."""
        self._store = ModelStore(folder, device, embedding_cache_bytes, precision)

    def device_name(self) -> str:
        """Return "cpu" or "cuda" without waking a network; see `ModelStore.device_name`."""
        return self._store.device_name()

    def segment(self, source: Path, folder: Path, request: SegmentRequest, report: Report) -> SegmentResult:
        """Segment `source` into files under `folder`; see `segment_raster` for everything else."""
        return segment_raster(source, folder, request, self._store.make_generator, report)
