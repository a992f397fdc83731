"""Looks in a segmented raster for objects like some examples: windows encoded, objects described and ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from server.errors import BadParameter
from server.rasters.label_reader import LabelReader
from server.rasters.windows import PatchReader, PixelWindow
from server.segmentation.progress import Progress, Report
from server.segmentation.similar.descriptors import DescriptorSums, Features
from server.segmentation.similar.ranking import ALIKE, rank_alike
from server.segmentation.whole_raster.rectangles import intersect, slices_of
from server.segmentation.whole_raster.window_plan import plan_grid
from server.vectors.drawing import Drawing

# An object that accepted ones cover by more than this is one of them.
COVERED_SHARE = 0.5
LOOKED_END = 0.98
# A gigabyte of descriptors.
MAX_OBJECTS = 500_000


class FeatureNetwork(Protocol):
    """What tells how places look."""

    input_size: int
    n_channels: int

    def encode(self, rgb: NDArray[np.uint8]) -> Features:
        """Return (n_channels, h, w) on a coarser grid over a patch uint8 (H, W, 3), at most `input_size` each."""
        ...


MakeFeatureNetwork = Callable[[str, Callable[[], None]], FeatureNetwork]


@dataclass(frozen=True)
class SimilarRequest:
    """What to look for.

    Attributes:
        band_indexes: bands the network sees as red, green and blue, counted from 1.
        checkpoint: name of the weights.
        examples: outlines in pixels of the raster, at least one.
        n_objects: of the label raster, whose ids are 1..n_objects.
        kept: outlines of all accepted objects; what they cover is no candidate any more.
        window: only objects that reach into this part of the raster are candidates; None means all.
        limit: candidates to return at most.
    """

    band_indexes: tuple[int, ...]
    checkpoint: str
    examples: Sequence[shapely.MultiPolygon]
    n_objects: int
    kept: Sequence[shapely.MultiPolygon] = ()
    window: PixelWindow | None = None
    limit: int = 1000

    def __post_init__(self) -> None:
        """Refuse what cannot be searched.

        Raises:
            BadParameter: there is no example, or there are too many objects.
        """
        if not self.examples:
            raise BadParameter("There is no example; choose at least one object.", "examples")
        if self.n_objects > MAX_OBJECTS:
            raise BadParameter(
                f"The result has {self.n_objects:,} objects; at most {MAX_OBJECTS:,} can be compared. Segment a part.",
                "raster",
            )


@dataclass(frozen=True)
class SimilarResult:
    """Objects of the automatic result, most alike first; those that have been accepted are left out.

    Attributes:
        ids: in the label raster.
        scores: 1 for the mean of the examples, 0 for the average object.
        n_alike: how many of all candidates are nearer to the examples than to the average object.
    """

    ids: Sequence[int]
    scores: Sequence[float]
    n_alike: int


def find_similar(
    source: Path, labels: Path, request: SimilarRequest, make_network: MakeFeatureNetwork, report: Report
) -> SimilarResult:
    """Rank the objects of a label raster by their likeness to examples.

    Args:
        source: the raster.
        labels: its label raster, 0 background.
        request: what to look for.
        make_network: (checkpoint, check) -> the network; it calls `check` while it waits.
        report: told (fraction 0..1, step in plain words); may raise to stop the work.

    Raises:
        BadParameter: the window holds no object.
        CheckpointMissing: the network cannot be loaded.
    """
    progress = Progress(report)
    progress.tell(0.0, "loading the network")
    network = make_network(request.checkpoint, progress.check)
    with ExitStack() as stack:
        reader = stack.enter_context(PatchReader(source, request.band_indexes))
        comparison = Comparison(network, reader, stack.enter_context(LabelReader(labels)), request)
        comparison.run(progress.stage(0.0, LOOKED_END, "comparing objects"))
    return comparison.rank()


class Comparison:
    """One search: what has been seen of the objects and of the examples so far."""

    def __init__(
        self, network: FeatureNetwork, reader: PatchReader, labels: LabelReader, request: SimilarRequest
    ) -> None:
        self._network = network
        self._reader = reader
        self._labels = labels
        self._request = request
        self._outlines = Drawing((outline, number + 1) for number, outline in enumerate(request.examples))
        self._objects = DescriptorSums(request.n_objects, network.n_channels)
        self._kept = Drawing((outline, 1) for outline in (*request.examples, *request.kept))
        self._examples = DescriptorSums(len(request.examples), network.n_channels)
        self._n_covered = np.zeros(request.n_objects, np.int64)
        self._is_searched = np.zeros(request.n_objects, bool)

    def run(self, tell: Callable[[float], None]) -> None:
        """Look at every window that shows a candidate or an example."""
        whole = PixelWindow(0, 0, self._labels.width, self._labels.height)
        searched = self._request.window or whole
        plan = plan_grid(whole, self._network.input_size)
        places = [
            (window, cell)
            for window, cell in zip(plan.windows, plan.cells, strict=True)
            if intersect(window, searched) or self._outlines.reaches(cell)
        ]
        for number, (window, cell) in enumerate(places):
            tell(number / len(places))
            self._look(window, cell, searched)

    def rank(self) -> SimilarResult:
        """Return the candidates in order.

        Raises:
            BadParameter: there is none.
        """
        n_pixels = self._objects.n_pixels
        rows = np.flatnonzero(self._is_searched & (self._n_covered <= COVERED_SHARE * n_pixels))
        if not rows.size:
            raise BadParameter("The result has no other objects there; search in another window, or in all.", "window")
        seen = np.flatnonzero(n_pixels)
        all_scores = rank_alike(
            self._objects.describe()[seen], n_pixels[seen], self._examples.describe(), self._examples.n_pixels
        )
        scores = all_scores[np.searchsorted(seen, rows)]
        order = np.argsort(-scores, kind="stable")[: self._request.limit]
        return SimilarResult(
            ids=(rows[order] + 1).tolist(),
            scores=np.round(scores[order], 4).tolist(),
            n_alike=int((scores > ALIKE).sum()),
        )

    def _look(self, window: PixelWindow, cell: PixelWindow, searched: PixelWindow) -> None:
        """Add what a window shows; only its cell counts, because its rim lacks what lies behind."""
        labels = self._labels.read(window)
        part = intersect(window, searched)
        if part is not None:
            found = np.unique(labels[slices_of(part, window)])
            self._is_searched[found[found > 0] - 1] = True
        is_own = np.zeros(labels.shape, bool)
        is_own[slices_of(cell, window)] = True
        labels = np.where(is_own, labels, 0)
        examples = np.where(is_own, self._outlines.draw(window), 0)
        if not labels.any() and not examples.any():
            return
        rgb = self._reader.read_patch(window).rgb
        features = self._network.encode(rgb)
        self._objects.add(labels, rgb, features)
        self._examples.add(examples, rgb, features)
        covered = labels[(labels > 0) & (self._kept.draw(window) > 0)]
        self._n_covered += np.bincount(covered, minlength=len(self._n_covered) + 1)[1:]
