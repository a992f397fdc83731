"""Takes the network's place: one square object for every 16 pixels of width, written by the real writers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import torch

from server.segmentation.class_mode.segmenting import ClassRequest, segment_class
from server.segmentation.many_prompts.answering import ManyPromptsRequest, ManyPromptsResult, answer_many
from server.segmentation.mask_records import MaskRecord, Thresholds
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.progress import Report
from server.segmentation.prompting.answering import PromptAnswer, PromptMemory, PromptRequest, answer_prompts
from server.segmentation.prompting.earlier_masks import EarlierMasks
from server.segmentation.prompting.patches import PatchCache
from server.segmentation.similar.searching import SimilarRequest, SimilarResult, find_similar
from server.segmentation.whole_raster.finished_windows import FinishedWindows
from server.segmentation.whole_raster.kept_files import KeptFiles
from server.segmentation.whole_raster.segmenting import SegmentRequest, SegmentResult, segment_raster
from server.vocabulary.asking import VocabularyRequest, VocabularyResult
from server.vocabulary.backbones import DenseFeatures
from server.vocabulary.service import OpenVocabularyEngine
from tests.routes.dataset_archives import BrightBatch
from tests.segmentation.prompting.bright_areas import BrightAreas

Request = SegmentRequest | ClassRequest | ManyPromptsRequest | VocabularyRequest


class SquareGenerator:
    """Finds an 8 x 8 square in every 16 columns of a patch."""

    input_size = 64
    patches_at_once = 1

    def generate(self, rgb: np.ndarray, tell: Callable[[float], None]) -> list[MaskRecord]:
        height, width = rgb.shape[:2]
        tell(0.5)
        mask = np.ones((min(8, height), 8), dtype=bool)
        return [
            MaskRecord(mask, (x, 0, 8, mask.shape[0]), 0.9, 0.97, (x + 4.0, mask.shape[0] / 2))
            for x in range(0, width - 8, 16)
        ]

    def generate_at(
        self, rgb: np.ndarray, points_xy: np.ndarray, thresholds: Thresholds, tell: Callable[[float], None]
    ) -> list[MaskRecord]:
        """Find nothing more, so that full cover has to fill the rest by itself."""
        return []


class LeftHalf:
    """Finds the class in the left half of every patch."""

    input_size = 64

    def find_class(self, rgb: np.ndarray) -> np.ndarray:
        logits = np.full(rgb.shape[:2], -1.0, np.float32)
        logits[:, : rgb.shape[1] // 2] = 1.0
        return logits


class Brightness:
    """Sees nothing but how bright every cell of four pixels is."""

    input_size = 64
    n_channels = 1

    def encode(self, rgb: np.ndarray) -> np.ndarray:
        rows, cols = (max(1, length // 4) for length in rgb.shape[:2])
        cells = rgb[: rows * 4, : cols * 4].reshape(rows, 4, cols, 4, 3).mean(axis=(1, 3, 4))
        return cells[np.newaxis].astype(np.float32)


class ColourCells:
    """Features are the colours of cells of four pixels, about their middle."""

    n_channels, stride = 3, 4
    max_size: int | None = 32

    def encode(self, rgb: np.ndarray) -> DenseFeatures:
        rows, cols = (-(-length // 4) for length in rgb.shape[:2])
        padded = np.pad(rgb, ((0, rows * 4 - rgb.shape[0]), (0, cols * 4 - rgb.shape[1]), (0, 0)), mode="edge")
        cells = padded.reshape(rows, 4, cols, 4, 3).mean(axis=(1, 3)).transpose(2, 0, 1) - 127
        patches = torch.from_numpy(cells.astype(np.float32))
        picture = torch.from_numpy(padded.transpose(2, 0, 1).astype(np.float32))
        return DenseFeatures(patches, patches.mean(dim=(1, 2)), picture, 0, 0)


class ColourEngine(OpenVocabularyEngine):
    """Classifies by example and by nothing but colour."""

    def _make_backbone(self, checkpoint: str, check: Callable[[], None]) -> ColourCells:
        return ColourCells()


class FakeEngine:
    """Segments like the real engine, with a generator that needs no network; may be held for tests of progress."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.asked: list[PromptRequest] = []
        self._memory = PromptMemory(EarlierMasks(1 << 20), PatchCache(1 << 20))
        self.failure: Exception | None = None
        self._may_run = Event()
        self._may_run.set()

    def hold(self) -> None:
        self._may_run.clear()

    def release(self) -> None:
        self._may_run.set()

    def segment(
        self, source: Path, folder: Path, request: SegmentRequest, report: Report, kept: Path | None = None
    ) -> SegmentResult:
        self._wait(request, report)
        finished = FinishedWindows(KeptFiles(kept, "squares")) if kept is not None else None
        return segment_raster(source, folder, request, self._make_generator, report, finished)

    def segment_class(
        self, source: Path, folder: Path, request: ClassRequest, report: Report, kept: Path | None = None
    ) -> SegmentResult:
        self._wait(request, report)
        return segment_class(source, folder, request, lambda _checkpoint, _check: LeftHalf(), report)

    def classify(self, source: Path, folder: Path, request: VocabularyRequest, report: Report) -> VocabularyResult:
        self._wait(request, report)
        return ColourEngine(folder).classify(source, folder, request, report)

    def find_similar(self, source: Path, labels: Path, request: SimilarRequest, report: Report) -> SimilarResult:
        return find_similar(source, labels, request, lambda _checkpoint, _check: Brightness(), report)

    def answer_many(self, source: Path, request: ManyPromptsRequest, report: Report) -> ManyPromptsResult:
        self._wait(request, report)
        return answer_many(source, request, lambda _checkpoint, _check: BrightAreas(), report)

    def _wait(self, request: Request, report: Report) -> None:
        self.requests.append(request)
        while not self._may_run.wait(0.02):
            report(0.25, "held by the test")
        if self.failure is not None:
            raise self.failure

    def make_batch_network(self, checkpoint: str, check: Callable[[], None]) -> BrightBatch:
        while not self._may_run.wait(0.02):
            check()
        return BrightBatch()

    def predict(self, source: Path, request: PromptRequest) -> PromptAnswer:
        """Answer like the real engine, with the bright area under the click."""
        self.asked.append(request)
        return answer_prompts(source, request, lambda _checkpoint: BrightAreas(), self._memory)

    def _make_generator(
        self, _checkpoint: str, _settings: MaskGeneratorSettings, _check: Callable[[], None]
    ) -> SquareGenerator:
        return SquareGenerator()
