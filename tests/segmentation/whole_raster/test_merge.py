"""Views of one object become one group; the order in which windows arrive does not matter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskRecord, crop_mask
from server.segmentation.whole_raster.assembling import assemble, longest_run
from server.segmentation.whole_raster.merge import group_pieces
from server.segmentation.whole_raster.merged_objects import Canvas
from server.segmentation.whole_raster.piece_store import PieceStore
from server.segmentation.whole_raster.pieces import SeenPatch, make_piece
from server.segmentation.whole_raster.window_plan import plan_grid

REGION = PixelWindow(0, 0, 160, 100)
# Two windows of 100 columns that share 40; the left one's cell ends at column 80, rims are 6 px wide.
PLAN = plan_grid(REGION, 100)
Box = tuple[int, int, int, int]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PieceStore]:
    with PieceStore(tmp_path) as opened:
        for window in PLAN.windows:
            opened.add_window(window)
        yield opened


def see(store: PieceStore, number: int, *boxes: Box, iou: float = 0.9) -> None:
    """Put into the store what window `number` sees of rectangles (col, row, width, height) in the raster."""
    window = PLAN.windows[number]
    for col, row, width, height in boxes:
        whole = np.zeros((REGION.height, REGION.width), dtype=bool)
        whole[row : row + height, col : col + width] = True
        seen = whole[window.row : window.row + window.height, window.col : window.col + window.width]
        cropped = crop_mask(seen)
        if cropped is not None:
            record = MaskRecord(cropped[0], cropped[1], iou, 0.95, (cropped[1][0] + 0.5, cropped[1][1] + 0.5))
            piece = make_piece(record, SeenPatch(window, seen.shape, None, REGION))
            assert piece is not None
            store.add(number, piece)


def merge(store: PieceStore) -> tuple[list[tuple[PixelWindow, int]], list[tuple[PixelWindow, int]]]:
    """Return (box, area) of the sure and of the doubtful objects."""
    store.sort()
    found = assemble(Canvas(store, PLAN), group_pieces(store, PLAN))
    sure, doubtful = ([(item.box, item.area_px) for item in items] for items in (found.sure, found.doubtful))
    return sure, doubtful


def test_the_plan_is_the_one_the_tests_speak_of() -> None:
    assert [window.col for window in PLAN.windows] == [0, 60]
    assert [cell.col for cell in PLAN.cells] == [0, 80]
    assert PLAN.rim_px == 6


def test_an_object_cut_by_the_seam_is_one_object(store: PieceStore) -> None:
    box = (20, 30, 120, 10)
    see(store, 0, box)
    see(store, 1, box)
    assert merge(store) == ([(PixelWindow(*box), 1200)], [])


def test_an_object_in_the_overlap_is_found_once_by_the_window_that_sees_more_around_it(store: PieceStore) -> None:
    box = (70, 30, 15, 10)
    see(store, 0, (70, 30, 14, 10), iou=0.99)
    see(store, 1, (71, 30, 18, 10), iou=0.9)
    store.sort()
    canvas = Canvas(store, PLAN)
    (only,) = assemble(canvas, group_pieces(store, PLAN)).sure
    assert store.get(only.best).window == PLAN.windows[0]
    assert only.box == PixelWindow(70, 30, 14, 10)
    assert box[2] == 15


def test_a_whole_view_replaces_a_cut_one(store: PieceStore) -> None:
    box = (70, 30, 60, 10)  # the left window sees half of it
    see(store, 0, box)
    see(store, 1, box)
    assert merge(store) == ([(PixelWindow(*box), 600)], [])


def test_a_view_that_melts_with_a_neighbour_in_the_rim_is_replaced(store: PieceStore) -> None:
    see(store, 0, (70, 30, 30, 20))  # up to the border of the left window, and twice as high as the object
    see(store, 1, (70, 30, 60, 12), (70, 42, 60, 8))
    sure, doubtful = merge(store)
    assert sorted(sure) == [(PixelWindow(70, 30, 60, 12), 720), (PixelWindow(70, 42, 60, 8), 480)]
    assert doubtful == []


def test_neighbours_that_do_not_agree_are_in_doubt(store: PieceStore) -> None:
    see(store, 0, (40, 10, 60, 10))
    see(store, 1, (60, 60, 80, 10))
    sure, doubtful = merge(store)
    assert sure == []
    assert doubtful == [(PixelWindow(40, 10, 40, 10), 400), (PixelWindow(80, 60, 60, 10), 600)]


def test_nested_objects_are_both_kept_and_not_joined_to_each_other(store: PieceStore) -> None:
    large, small = (20, 10, 120, 80), (72, 40, 14, 14)
    see(store, 0, large, small)
    see(store, 1, large, small)
    assert sorted(area for _, area in merge(store)[0]) == [196, 9600]


def test_a_fragment_at_the_border_of_the_window_is_left_to_the_one_that_sees_more(store: PieceStore) -> None:
    see(store, 0, (85, 20, 15, 60))
    see(store, 1, (68, 20, 80, 60))
    assert merge(store) == ([(PixelWindow(68, 20, 80, 60), 4800)], [])


def test_a_chain_of_links_does_not_join_two_objects_of_one_window(tmp_path: Path) -> None:
    """Four windows around a corner: one of them melts two neighbours, which the others tell apart."""
    region = PixelWindow(0, 0, 160, 160)
    plan = plan_grid(region, 100)
    upper, lower = PixelWindow(40, 62, 80, 18), PixelWindow(40, 80, 80, 18)
    with PieceStore(tmp_path) as store:
        for number, window in enumerate(plan.windows):
            store.add_window(window)
            views = [PixelWindow(40, 62, 80, 36)] if number == 0 else [upper, lower]
            for view in views:
                seen = np.zeros((160, 160), dtype=bool)
                seen[view.row : view.row + view.height, view.col : view.col + view.width] = True
                part = seen[window.row : window.row + window.height, window.col : window.col + window.width]
                mask, box = crop_mask(part)  # type: ignore[misc]
                record = MaskRecord(mask, box, 0.9, 0.9, (box[0] + 0.5, box[1] + 0.5))
                piece = make_piece(record, SeenPatch(window, part.shape, None, region))
                assert piece is not None
                store.add(number, piece)
        store.sort()
        groups = group_pieces(store, plan)
        for group in groups:
            windows = [int(store.table["window"][piece]) for piece in group]
            assert len(set(windows)) == len(windows)
        assert sum(len(group) for group in groups) == len(store)
        assert len(groups) >= 2


def test_groups_do_not_depend_on_the_order_of_arrival(tmp_path: Path) -> None:
    boxes: list[Box] = [(20, 30, 120, 10), (70, 45, 15, 10), (40, 60, 60, 12), (61, 62, 70, 14)]
    results = []
    for order in itertools.permutations(range(4)):
        with PieceStore(tmp_path) as store:
            for window in PLAN.windows:
                store.add_window(window)
            for turn in order:
                see(store, 1, boxes[turn])
                see(store, 0, boxes[-1 - turn])
            results.append(merge(store))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize(("flags", "run"), [([], 0), ([0, 0], 0), ([1, 1, 0, 1], 2), ([0, 1, 1, 1], 3)])
def test_the_longest_run(flags: list[int], run: int) -> None:
    assert longest_run(np.array(flags, dtype=bool)) == run
