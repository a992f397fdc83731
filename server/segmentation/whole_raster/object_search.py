"""Finds the objects of a raster: every window once, then those the windows disagree about a second time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from server.rasters.windows import PixelWindow
from server.segmentation.progress import Span
from server.segmentation.whole_raster.assembling import Assembly, assemble, settle_doubtful
from server.segmentation.whole_raster.duplicates import Overlaps
from server.segmentation.whole_raster.looking import Tell, Viewer
from server.segmentation.whole_raster.merge import group_pieces
from server.segmentation.whole_raster.merged_objects import Canvas, MergedObject
from server.segmentation.whole_raster.piece_store import PieceStore
from server.segmentation.whole_raster.pieces import Piece
from server.segmentation.whole_raster.second_look import SecondLook
from server.segmentation.whole_raster.window_plan import WindowPlan

Ask = Callable[[PixelWindow, Tell], list[Piece] | None]
# Where on the way from 0 to 1 the stages of a search end.
WINDOWS_END, LINKED_END, ASSEMBLED_END, RESOLVED_END = 0.75, 0.79, 0.81, 0.98


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        canvas: draws the objects.
        objects: in reading order of their boxes, which makes their ids independent of anything else.
        n_empty: windows without data.
    """

    canvas: Canvas
    objects: list[MergedObject]
    n_empty: int


@dataclass(frozen=True)
class ObjectSearch:
    """Searches a region for objects.

    Attributes:
        viewer: shows windows to the network.
        plan: of the windows.
    """

    viewer: Viewer
    plan: WindowPlan

    def run(self, store: PieceStore, ask: Ask, span: Span) -> SearchResult:
        """Search every window of the plan.

        Args:
            store: empty; keeps the pieces.
            ask: returns what one window shows, None where it holds no data.
            span: told where the search is; may raise to stop.
        """
        n_empty = self.look_at_windows(store, ask, range(len(self.plan.windows)), span.part(0.0, WINDOWS_END))
        store.sort()
        step = "merging objects"
        groups = group_pieces(store, self.plan, span.part(WINDOWS_END, LINKED_END).stage(step))
        canvas = Canvas(store, self.plan)
        assembly = assemble(canvas, groups, span.part(LINKED_END, ASSEMBLED_END).stage(step))
        tell = span.part(ASSEMBLED_END, RESOLVED_END).stage("looking again at cut objects")
        second_look = SecondLook(self.viewer, canvas)
        resolved = second_look.resolve(assembly.doubtful, tell)
        tell = span.part(RESOLVED_END, 1.0).stage(step)
        return SearchResult(canvas, _settle(second_look, assembly, resolved, tell), n_empty)

    def look_at_windows(self, store: PieceStore, ask: Ask, order: Iterable[int], span: Span) -> int:
        """Fill the store with what windows show, taken in `order`; return how many hold no data."""
        numbers = [store.add_window(window) for window in self.plan.windows]
        ordered = list(order)
        n_empty = n_prepared = 0
        for done, number in enumerate(ordered):
            n_at_once = self.viewer.generator.patches_at_once
            if n_at_once > 1 and done >= n_prepared:
                n_prepared = done + n_at_once
                self.viewer.prepare([self.plan.windows[coming] for coming in ordered[done:n_prepared]])
            part = span.part(done / len(numbers), (done + 1) / len(numbers))
            step = f"window {done + 1} of {len(numbers)}"
            part.tell(step)
            pieces = ask(self.plan.windows[number], part.stage(step))
            n_empty += pieces is None
            for piece in pieces or []:
                store.add(number, piece)
        return n_empty


def _settle(
    second_look: SecondLook, assembly: Assembly, resolved: dict[int, MergedObject], tell: Tell
) -> list[MergedObject]:
    """Return the final objects: the sure ones, those found again, and what is left of the others without repeats."""
    overlaps = Overlaps(second_look.canvas, second_look.viewer.size_px)
    accepted = list(assembly.sure)
    for item in accepted:
        overlaps.add(item)
    # Of one thing looked at from several of its fragments, the view from the largest fragment is kept.
    for number in sorted(resolved, key=lambda number: (-assembly.doubtful[number].area_px, number)):
        tell(0.0)
        if not overlaps.is_duplicate(resolved[number]):
            accepted.append(resolved[number])
            overlaps.add(resolved[number])
    for number, item in enumerate(assembly.doubtful):
        tell(number / len(assembly.doubtful))
        if number not in resolved:
            left = settle_doubtful(second_look.canvas, item, is_too_large=second_look.is_too_large(item))
            if left is not None and not overlaps.is_duplicate(left):
                accepted.append(left)
    return sorted(accepted, key=lambda item: (item.box.row, item.box.col, item.area_px, item.pieces))
