"""Open vocabulary as the service and the command line use it: what can be asked for, and the engine that answers.

Importing this module loads no torch; that comes with the first classification.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.rasters.windows import PixelWindow
from server.segmentation.class_mode.class_areas import (
    CLASSES,
    PROBABILITY,
    AreaRules,
    ClassRaster,
    measure_classes,
    write_class_areas,
)
from server.segmentation.engine import SegmentationEngine
from server.segmentation.model_store import wait_while_checking
from server.segmentation.networks.spinning import spin_briefly
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.progress import Progress, Report, Span
from server.segmentation.whole_raster.segmenting import SegmentRequest, read_ground
from server.vocabulary.asking import ClassSummary, VocabularyRequest, VocabularyResult
from server.vocabulary.clip_files import choose_model
from server.vocabulary.presets import PRESETS
from server.vocabulary.settings import VocabularySettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from server.vocabulary.backbones import Backbone, DenseFeatures
    from server.vocabulary.by_example import ExampleLooker
    from server.vocabulary.clip import ClipModel
    from server.vocabulary.logits import Looker

# Where on the way from 0 to 1 the stages end; nearly all of the time goes into the network.
CLASSIFIED_END, DRAWN_END = 0.9, 0.98


class OpenVocabularyEngine(SegmentationEngine):
    """The engine of the service: segmentation, and on top of it classes by words and by example."""

    def __init__(
        self, folder: Path, device: str = "auto", embedding_cache_bytes: int = 1 << 29, precision: str = "float32"
    ) -> None:
        """Prepare an engine; see `ModelStore` for the arguments."""
        super().__init__(folder, device, embedding_cache_bytes, precision)
        self._folder = folder
        self._device = device
        self._clip: ClipModel | None = None

    def classify(self, source: Path, folder: Path, request: VocabularyRequest, report: Report) -> VocabularyResult:
        """Give every pixel of a raster a class, and write rasters and objects into `folder`.

        The files are `classes.tif` and `probability.tif` (see `classify_raster`), and `labels.tif` and `objects.gpkg`
        as after a segmentation, where objects are connected areas of a class, or refined ones.

        Args:
            source: the raster.
            folder: receives the files.
            request: what to classify and how.
            report: told (fraction 0..1, step in plain words); may raise to stop the work.

        Raises:
            BadParameter: a parameter is wrong, or a class has no example.
            CheckpointMissing: a network cannot be loaded.
            NotARaster: the source cannot be read.
        """
        progress = Progress(report)
        progress.tell(0.0, "loading the network")
        wait_while_checking(_import_torch, progress.check)
        from server.vocabulary.classifying import ClassifyRequest, classify_raster

        asked = ClassifyRequest(
            request.band_indexes,
            request.classes.names,
            request.colours,
            request.window,
            request.resolution_m,
            request.area,
            request.refine,
        )
        result = classify_raster(
            source,
            folder,
            asked,
            lambda check: self._make_looker(source, asked, request, check),
            lambda share, step: progress.tell(share * CLASSIFIED_END, step),
            lambda target, tell: self.segment(source, target, _describe_objects(request), tell),
        )
        region = read_ground(source, request.window, None, None).region
        n_objects = result.n_objects
        if n_objects is None:
            raster = ClassRaster(folder / CLASSES, folder / PROBABILITY, region)
            rules = AreaRules(request.classes.names, request.knobs.min_area_px, describe_source(request))
            n_objects = write_class_areas(raster, folder, rules, Span(progress, CLASSIFIED_END, DRAWN_END))
        classes = _summarise(folder / CLASSES, region, request, Span(progress, DRAWN_END, 1.0))
        return VocabularyResult(n_objects, classes, result.width, result.height, result.seconds)

    def _make_looker(
        self, source: Path, asked: Any, request: VocabularyRequest, check: Callable[[], None]
    ) -> Looker | ExampleLooker:
        looker: Looker | ExampleLooker
        if request.examples is None:
            looker = self._make_word_looker(request, check)
        else:
            looker = self._make_example_looker(source, asked, request, check)
        return replace(
            looker, settings=replace(looker.settings, **request.knobs.choose_settings(request.classes.names))
        )

    def _make_word_looker(self, request: VocabularyRequest, check: Callable[[], None]) -> Looker:
        from server.vocabulary.logits import Looker
        from server.vocabulary.text import WordVectors

        clip = wait_while_checking(lambda: self._load_clip(request.model), check)
        queries = WordVectors().make_queries(_Patient(clip, self._store.job_turn, check), request.classes)
        return Looker(_Patient(clip, self._store.job_turn, check), queries, VocabularySettings(long_side=None))

    def _make_example_looker(
        self, source: Path, asked: Any, request: VocabularyRequest, check: Callable[[], None]
    ) -> ExampleLooker:
        from server.vocabulary.by_example import ClassExample, make_example_looker

        examples = [ClassExample(number, shape) for number, shape in request.examples or ()]
        return make_example_looker(source, examples, asked, self._make_backbone(request.checkpoint, check))

    def _make_backbone(self, checkpoint: str, check: Callable[[], None]) -> Backbone:
        self._store.load_while_checking(checkpoint, check)
        from server.vocabulary.encoder_backbone import EncoderBackbone

        predictor = self._store.make_predictor(checkpoint)
        return EncoderBackbone(predictor, lambda: self._store.job_turn(check), check)

    def _load_clip(self, asked: str | None) -> ClipModel:
        """Return a CLIP model; the last one stays in memory."""
        from server.segmentation.networks.loading import choose_device
        from server.vocabulary.clip import load_clip

        name = choose_model(self._folder, asked)
        if self._clip is None or self._clip.name != name:
            self._clip = None  # two of them need not fit into memory
            self._clip = load_clip(self._folder, name, choose_device(self._device))
        return self._clip


class _Patient:
    """A CLIP model that stands back while people click: everything waits for its turn."""

    max_size: int | None = None

    def __init__(
        self,
        clip: ClipModel,
        turn: Callable[[Callable[[], None]], AbstractContextManager[None]],
        check: Callable[[], None],
    ) -> None:
        self._clip = clip
        self._turn = turn
        self._check = check
        self.name = clip.name
        self.n_channels = clip.n_channels
        self.stride = clip.stride

    def encode(self, rgb: NDArray[np.uint8]) -> DenseFeatures:
        with self._turn(self._check):
            return self._clip.encode(rgb)

    def encode_text(self, sentences: Sequence[str]) -> Any:
        with self._turn(self._check):
            return self._clip.encode_text(sentences)


def describe_presets() -> list[dict[str, Any]]:
    """Return the class lists of well-known data sets, ready for JSON."""
    return [
        {
            "name": name,
            "title": preset.title,
            "classes": [{"name": words[0], "synonyms": list(words[1:])} for words in preset.classes.synonyms],
            "background_threshold": preset.prob_thd,
            "background": preset.classes.names[preset.bg_idx],
            "global_bias": preset.global_bias,
        }
        for name, preset in PRESETS.items()
    ]


def describe_source(request: VocabularyRequest) -> str:
    """Return how the classes were found, as every outline tells it."""
    return "classes by words" if request.examples is None else f"classes by example, checkpoint {request.checkpoint}"


def _describe_objects(request: VocabularyRequest) -> SegmentRequest:
    return SegmentRequest(
        band_indexes=request.band_indexes,
        settings=MaskGeneratorSettings(),
        checkpoint=request.checkpoint,
        window=request.window,
        resolution_m=request.resolution_m,
        area=request.area,
    )


def _summarise(classes: Path, region: PixelWindow, request: VocabularyRequest, span: Span) -> tuple[ClassSummary, ...]:
    names = request.classes.names
    measured = measure_classes(classes, region, len(names), span)
    n_all = max(1, sum(area.n_pixels for area in measured))
    return tuple(
        ClassSummary(
            number, name, "#{:02x}{:02x}{:02x}".format(*colour), area.n_pixels, area.n_pixels / n_all, area.area_m2
        )
        for number, (name, colour, area) in enumerate(zip(names, request.colours, measured, strict=True), start=1)
    )


def _import_torch() -> None:
    """Import what classifying needs, in a thread that a job need not wait for."""
    spin_briefly()
    import server.vocabulary.by_example
    import server.vocabulary.classifying
    import server.vocabulary.clip  # noqa: F401
