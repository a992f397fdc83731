"""The engine the service and the command line share: networks kept in memory, rasters segmented with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from server.observability.hits import Hits
from server.rasters.windows import PatchReader
from server.segmentation.batch_prompts.prompts import BatchNetwork
from server.segmentation.class_mode.looking import ClassNetwork
from server.segmentation.class_mode.segmenting import ClassRequest, segment_class
from server.segmentation.many_prompts.answering import ManyPromptsRequest, ManyPromptsResult, answer_many
from server.segmentation.model_store import ModelStore
from server.segmentation.networks.checkpoints import find_checkpoint
from server.segmentation.progress import Report
from server.segmentation.prompting.answering import PromptAnswer, PromptMemory, PromptRequest, answer_prompts
from server.segmentation.prompting.earlier_masks import EarlierMasks, MaskMemory
from server.segmentation.prompting.patches import PatchCache
from server.segmentation.prompting.rated_masks import PromptedNetwork
from server.segmentation.similar.searching import FeatureNetwork, SimilarRequest, SimilarResult, find_similar
from server.segmentation.whole_raster.fingerprint import fingerprint_work
from server.segmentation.whole_raster.finished_windows import FinishedWindows
from server.segmentation.whole_raster.kept_files import KeptFiles
from server.segmentation.whole_raster.looking import Viewer
from server.segmentation.whole_raster.segmenting import SegmentRequest, SegmentResult, read_ground, segment_raster
from server.segmentation.whole_raster.shared_look import SharedLook

# A mask takes about three thousand bytes, so this is enough for thousands of clicks of many people.
EARLIER_MASKS_BYTES = 64 * 2**20
# Sixty windows of a megabyte: what a few people look at.
PATCHES_BYTES = 64 * 2**20


class SegmentationEngine:
    """Segments rasters with the networks of one `ModelStore`; creating it loads nothing."""

    def __init__(
        self, folder: Path, device: str = "auto", embedding_cache_bytes: int = 1 << 29, precision: str = "float32"
    ) -> None:
        """Prepare an engine; see `ModelStore` for the arguments."""
        self._folder = folder
        self._precision = precision
        self._store = ModelStore(folder, device, embedding_cache_bytes, precision)
        self._memory = PromptMemory(EarlierMasks(EARLIER_MASKS_BYTES), PatchCache(PATCHES_BYTES))

    def keep_masks_in(self, masks: MaskMemory) -> None:
        """Keep masks for later clicks there and not in this process; call it before the first prompt."""
        self._memory = replace(self._memory, masks=masks)

    def cache_hits(self) -> dict[str, Hits]:
        """Return how often each cache had the answer: encoder outputs, and patches that were looked at."""
        return {"embeddings": self._store.embedding_hits(), "patches": self._memory.patches.hits.read()}

    def device_name(self) -> str:
        """Return "cpu" or "cuda" without waking a network; see `ModelStore.device_name`."""
        return self._store.device_name()

    def segment(
        self, source: Path, folder: Path, request: SegmentRequest, report: Report, kept: Path | None = None
    ) -> SegmentResult:
        """Segment `source` into files under `folder`; see `segment_raster` for everything else.

        Args:
            source: the raster.
            folder: receives the files.
            request: what to segment and how.
            report: see `segment_raster`.
            kept: folder where finished windows outlive this process, for another attempt; None keeps none.
        """
        finished = None if kept is None else FinishedWindows(self._open_kept(kept, source, request))
        return segment_raster(source, folder, request, self._store.make_generator, report, finished)

    @contextmanager
    def open_look(
        self, source: Path, request: SegmentRequest, kept: Path, check: Callable[[], None], work: str | None = None
    ) -> Iterator[SharedLook | None]:
        """Give the first look at `source`, which `segment` with the same `kept` need not do again.

        Args:
            source: the raster.
            request: what to segment and how.
            kept: folder of finished windows.
            check: called while the network is loaded and often while it looks; may raise to stop that.
            work: what the process that has opened `kept` calls the look; None means that it is this one. Where this
                process would call it otherwise, because its device, precision or version differs, it gets None.
        """
        fingerprint = self._fingerprint(source, request)
        if work not in (None, fingerprint):
            yield None
            return
        finished = FinishedWindows(KeptFiles(kept, fingerprint, joins=work is not None))
        ground = read_ground(source, request.window, request.resolution_m, request.area)
        generator = self._store.make_generator(request.checkpoint, request.settings, check)
        with PatchReader(source, request.band_indexes) as reader:
            viewer = Viewer(reader, generator, ground.region, ground.pixel_step, ground.area, finished)
            yield SharedLook(viewer, finished, fingerprint)

    def _open_kept(self, folder: Path, source: Path, request: SegmentRequest | ClassRequest) -> KeptFiles:
        return KeptFiles(folder, self._fingerprint(source, request))

    def _fingerprint(self, source: Path, request: SegmentRequest | ClassRequest) -> str:
        weights = find_checkpoint(self._folder, request.checkpoint)
        computing = f"{self.device_name()} {self._precision}"
        return fingerprint_work(source, asdict(request), weights, computing)

    def segment_class(
        self, source: Path, folder: Path, request: ClassRequest, report: Report, kept: Path | None = None
    ) -> SegmentResult:
        """Segment one class of `source` into files under `folder`; see `segment` for `kept`."""
        files = None if kept is None else self._open_kept(kept, source, request)
        return segment_class(source, folder, request, self._make_class_network, report, files)

    def find_similar(self, source: Path, labels: Path, request: SimilarRequest, report: Report) -> SimilarResult:
        """Rank the objects of `labels` by their likeness to examples; see `find_similar` for everything else."""
        return find_similar(source, labels, request, self._make_feature_network, report)

    def answer_many(self, source: Path, request: ManyPromptsRequest, report: Report) -> ManyPromptsResult:
        """Outline the objects of many prompts; see `answer_many` for everything else."""
        return answer_many(source, request, self._make_patient, report)

    def predict(self, source: Path, request: PromptRequest) -> PromptAnswer:
        """Return the masks of prompts on `source` while jobs stand back; see `answer_prompts` for everything else."""
        return answer_prompts(source, request, self._make_prompted, self._memory)

    def make_batch_network(self, checkpoint: str, check: Callable[[], None]) -> BatchNetwork:
        """Return what answers many prompts on a patch, a turn for each call.

        Args:
            checkpoint: its name.
            check: called while loading and while waiting for a turn; may raise to stop that.

        Raises:
            BadParameter: no checkpoint has that name.
            CheckpointMissing: the network cannot be loaded.
        """
        self._store.load_while_checking(checkpoint, check)
        from server.segmentation.batch_prompts.network import BatchPredictor  # torch comes with the first use

        return BatchPredictor(self._store.make_predictor(checkpoint), lambda: self._store.job_turn(check))

    def _make_prompted(self, checkpoint: str) -> PromptedNetwork:
        from server.segmentation.prompting.network import SharedNetwork  # torch comes with the first use

        return SharedNetwork(self._store.make_predictor(checkpoint), self._store.click_turn)

    def _make_patient(self, checkpoint: str, check: Callable[[], None]) -> PromptedNetwork:
        self._store.load_while_checking(checkpoint, check)
        from server.segmentation.many_prompts.turns import patient_turn  # torch comes with the first use
        from server.segmentation.prompting.network import SharedNetwork

        predictor = self._store.make_predictor(checkpoint)
        return SharedNetwork(predictor, lambda: patient_turn(predictor.model, self._store.job_turn(check), check))

    def _make_class_network(self, checkpoint: str, check: Callable[[], None]) -> ClassNetwork:
        self._store.load_while_checking(checkpoint, check)
        from server.segmentation.class_mode.network import SharedClassNetwork  # torch comes with the first use

        predictor = self._store.make_predictor(checkpoint)
        return SharedClassNetwork(predictor, lambda: self._store.job_turn(check), check)

    def _make_feature_network(self, checkpoint: str, check: Callable[[], None]) -> FeatureNetwork:
        self._store.load_while_checking(checkpoint, check)
        from server.segmentation.similar.network import SharedFeatureNetwork  # torch comes with the first use

        predictor = self._store.make_predictor(checkpoint)
        return SharedFeatureNetwork(predictor, lambda: self._store.job_turn(check), check)
