"""Labels the ground of a raster: one look at all of it, and with full cover further passes over what is left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from server.rasters.labels import LabelCanvas
from server.segmentation.mask_records import Thresholds
from server.segmentation.progress import Span
from server.segmentation.whole_raster.attributes import AttributeTable
from server.segmentation.whole_raster.full_cover import (
    MAX_PASSES,
    FreeGround,
    is_finished,
    measure_coverage,
    plan_thresholds,
)
from server.segmentation.whole_raster.leftovers import Leftovers
from server.segmentation.whole_raster.looking import Viewer
from server.segmentation.whole_raster.object_search import Ask, ObjectSearch
from server.segmentation.whole_raster.painting import LabelPainting
from server.segmentation.whole_raster.piece_store import PieceStore
from server.segmentation.whole_raster.window_plan import plan_grid

# The `source` of ground that no mask covered.
REMAINDER = "remainder"
# Where on the way from 0 to 1 the stages end. With full cover, the first look is the smaller part.
FIRST_LOOK_END, PASSES_END, LEFTOVERS_END, NUMBERED_END = 0.4, 0.93, 0.97, 1.0
# Share of a pass after which its objects are painted, and the cover measured.
SEARCHED_END, PAINTED_END = 0.92, 0.97


@dataclass(frozen=True)
class LabelledRaster:
    """What was found.

    Attributes:
        attributes: by final id.
        n_windows: windows of the first look.
        n_empty: those of them without data.
    """

    attributes: AttributeTable
    n_windows: int
    n_empty: int


class Labelling:
    """Paints the objects of one raster."""

    def __init__(
        self, viewer: Viewer, labels: LabelCanvas, checkpoint: str, thresholds: Thresholds, scratch: Path
    ) -> None:
        """Prepare the work.

        Args:
            viewer: shows windows of the raster to the network.
            labels: empty; receives the ids.
            checkpoint: name of the network's weights, for the objects' `source`.
            thresholds: the user's own.
            scratch: folder for files that nobody needs later.
        """
        self._viewer = viewer
        self._checkpoint = checkpoint
        self._thresholds = thresholds
        self._scratch = scratch
        self._plan = plan_grid(viewer.region, viewer.size_px)
        self._painting = LabelPainting(labels, viewer.region, viewer.read_valid)
        self._attributes = AttributeTable()

    def run(self, span: Span, *, full_cover: bool) -> LabelledRaster:
        """Find all objects and paint them with their final ids."""
        first_end = FIRST_LOOK_END if full_cover else LEFTOVERS_END
        source = f"automatic, checkpoint {self._checkpoint}"
        n_empty = self._run_pass(self._viewer.find, source, span.part(0.0, first_end))
        if full_cover:
            self._cover(span.part(first_end, PASSES_END))
            self._share_out(span.part(PASSES_END, LEFTOVERS_END))
        tell = span.part(LEFTOVERS_END, NUMBERED_END).stage("numbering objects")
        self._painting.renumber(self._attributes.finish(), tell)
        return LabelledRaster(self._attributes, len(self._plan.windows), n_empty)

    def _run_pass(self, ask: Ask, source: str, span: Span) -> int:
        """Search, paint on what is still free, and note the attributes; return the windows without data."""
        search = ObjectSearch(self._viewer, self._plan)
        with PieceStore(self._scratch) as store:
            found = search.run(store, ask, span.part(0.0, SEARCHED_END))
            tell = span.part(SEARCHED_END, PAINTED_END).stage("writing labels")
            counts = self._painting.add(found.canvas, found.objects, self._attributes.n_added, tell)
            self._attributes.add_found(found, counts, source)
        return found.n_empty

    def _cover(self, span: Span) -> None:
        """Click uncovered ground in further passes until nearly all is covered or nothing more comes of it."""
        source = f"full cover, checkpoint {self._checkpoint}"
        coverage = measure_coverage(self._painting, span.part(0.0, 0.0).stage("measuring cover"))
        gains: list[float] = []
        thresholds = self._thresholds
        while not is_finished(coverage, gains, thresholds):
            thresholds = plan_thresholds(self._thresholds, gains)
            part = span.part(len(gains) / MAX_PASSES, (len(gains) + 1) / MAX_PASSES)
            self._run_pass(FreeGround(self._viewer, self._painting, thresholds).find, source, part)
            after = measure_coverage(self._painting, part.part(PAINTED_END, 1.0).stage("measuring cover"))
            gains.append(after.share - coverage.share)
            coverage = after

    def _share_out(self, span: Span) -> None:
        """Give narrow gaps and specks to their neighbours and make objects of the rest."""
        leftovers = Leftovers(self._painting, self._viewer.pixel_step)
        leftovers.fill_gaps(span.part(0.0, 0.5).stage("closing gaps"))
        rest = leftovers.number_rest(self._attributes.n_added, span.part(0.5, 1.0).stage("numbering what is left"))
        self._attributes.add_rest(rest, REMAINDER)
