"""Objects of overlapping windows become one list: joined, without duplicates, in a fixed order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskRecord, crop_mask
from server.segmentation.merge import ObjectMerger
from server.segmentation.painting import BLOCK_PX, Painter, number_visible
from server.segmentation.pieces import Piece, make_piece

REGION = PixelWindow(0, 0, 160, 100)
LEFT, RIGHT = PixelWindow(0, 0, 100, 100), PixelWindow(60, 0, 100, 100)


def see(window: PixelWindow, *boxes: tuple[int, int, int, int], iou: float = 0.9) -> list[Piece]:
    """Return what `window` sees of rectangles (col, row, width, height) in the raster."""
    pieces = []
    for col, row, width, height in boxes:
        whole = np.zeros((REGION.height, REGION.width), dtype=bool)
        whole[row : row + height, col : col + width] = True
        seen = whole[window.row : window.row + window.height, window.col : window.col + window.width]
        cropped = crop_mask(seen)
        if cropped is not None:
            record = MaskRecord(cropped[0], cropped[1], iou, 0.95, (cropped[1][0] + 0.5, cropped[1][1] + 0.5))
            piece = make_piece(record, window, np.ones(seen.shape, dtype=bool), REGION)
            assert piece is not None
            pieces.append(piece)
    return pieces


def merge(left: list[Piece], right: list[Piece]) -> ObjectMerger:
    merger = ObjectMerger()
    merger.add(LEFT, left)
    merger.add(RIGHT, right)
    return merger


def test_an_object_cut_by_the_seam_is_one_object() -> None:
    box = (20, 30, 120, 10)
    (only,) = merge(see(LEFT, box), see(RIGHT, box)).objects()
    assert (only.box, only.area_px) == (PixelWindow(*box), 1200)


def test_an_object_in_the_overlap_is_found_once_by_the_better_view() -> None:
    box = (70, 30, 20, 10)
    (only,) = merge(see(LEFT, box, iou=0.8), see(RIGHT, box, iou=0.95)).objects()
    assert (only.area_px, only.predicted_iou) == (200, 0.95)


def test_a_whole_view_replaces_a_cut_one() -> None:
    box = (70, 30, 60, 10)  # the left window sees half of it
    (only,) = merge(see(LEFT, box), see(RIGHT, box)).objects()
    assert (only.area_px, len(only.pieces)) == (600, 1)


def test_neighbours_that_do_not_agree_stay_apart() -> None:
    objects = merge(see(LEFT, (40, 10, 60, 10)), see(RIGHT, (60, 60, 80, 10))).objects()
    assert len(objects) == 2


def test_nested_objects_are_both_kept_and_not_joined_to_each_other() -> None:
    large, small = (20, 10, 120, 80), (70, 40, 20, 20)
    objects = merge(see(LEFT, large, small), see(RIGHT, large, small)).objects()
    assert sorted(item.area_px for item in objects) == [400, 9600]


def test_a_fragment_of_what_a_neighbour_saw_whole_is_dropped() -> None:
    whole, fragment = (62, 20, 90, 60), (85, 20, 15, 60)
    objects = merge(see(LEFT, fragment), see(RIGHT, whole)).objects()
    assert [item.area_px for item in objects] == [5400]


def test_borders_of_the_raster_cut_nothing() -> None:
    (piece,) = see(LEFT, (0, 0, 30, 100))
    assert not piece.is_cut
    (piece,) = see(LEFT, (70, 40, 30, 10))
    assert piece.is_cut


def test_order_is_by_place() -> None:
    boxes = [(50, 50, 5, 5), (5, 80, 5, 5), (30, 2, 5, 5), (5, 2, 5, 5)]
    forwards = merge(see(LEFT, *boxes), []).objects()
    backwards = merge(see(LEFT, *boxes[::-1]), []).objects()
    assert [item.box for item in forwards] == [item.box for item in backwards]
    assert [(item.box.row, item.box.col) for item in forwards] == [(2, 5), (2, 30), (50, 50), (80, 5)]


def test_pixels_without_data_leave_the_mask() -> None:
    valid = np.ones((100, 100), dtype=bool)
    valid[:, :50] = False
    record = MaskRecord(np.ones((10, 20), dtype=bool), (40, 30, 20, 10), 0.9, 0.9, (45.0, 35.0))
    piece = make_piece(record, LEFT, valid, REGION)
    assert piece is not None
    assert (piece.box, piece.area_px) == (PixelWindow(50, 30, 10, 10), 100)
    assert make_piece(record, LEFT, np.zeros((100, 100), dtype=bool), REGION) is None


@given(arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 30))))
def test_packing_loses_nothing(mask: np.ndarray) -> None:
    record = MaskRecord(mask, (0, 0, mask.shape[1], mask.shape[0]), 0.9, 0.9, (0.5, 0.5))
    window = PixelWindow(7, 9, mask.shape[1], mask.shape[0])
    piece = make_piece(record, window, np.ones(mask.shape, dtype=bool), window)
    cropped = crop_mask(mask)
    assert (piece is None) == (cropped is None)
    if piece is not None and cropped is not None:
        assert (piece.unpack() == cropped[0]).all()
        assert piece.area_px == mask.sum()


def test_small_objects_are_painted_over_large_ones() -> None:
    objects = merge(see(LEFT, (10, 10, 5, 5), (0, 0, 50, 50), (8, 8, 20, 20)), []).objects()
    painted = Painter(objects).paint(PixelWindow(0, 0, BLOCK_PX, BLOCK_PX))
    areas = {number: int((painted == number).sum()) for number in (1, 2, 3)}
    assert areas == {1: 2500 - 400, 2: 400 - 25, 3: 25}


def test_hidden_objects_get_no_id() -> None:
    # Two halves are painted over a slightly larger object that they cover wholly.
    objects = merge(see(LEFT, (0, 0, 20, 10), (0, 0, 10, 10), (10, 0, 10, 10), (40, 40, 5, 5)), []).objects()
    counts = Painter(objects).count_visible(lambda _: None)
    ids = number_visible(counts)
    assert sorted(counts.tolist()) == [0, 25, 100, 100]
    assert sorted(ids.tolist()) == [0, 0, 1, 2, 3]
