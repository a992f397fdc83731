"""Masks of patches find their place in the raster, at any ground resolution, and come back from the scratch file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import MaskRecord, crop_mask
from server.segmentation.whole_raster.piece_store import PieceStore
from server.segmentation.whole_raster.pieces import NO_BORDER, Piece, SeenPatch, make_piece

WINDOW = PixelWindow(100, 200, 120, 80)
REGION = PixelWindow(100, 0, 500, 500)


def place(mask: np.ndarray, window: PixelWindow = WINDOW, valid: np.ndarray | None = None) -> Piece | None:
    """Return the piece of a mask of a patch, bool (rows, columns)."""
    cut, box = crop_mask(mask)  # type: ignore[misc]
    record = MaskRecord(cut, box, 0.9, 0.95, (box[0] + 0.5, box[1] + 0.5))
    return make_piece(record, SeenPatch(window, mask.shape, valid, REGION))


def test_a_native_mask_keeps_its_pixels() -> None:
    mask = np.random.default_rng(0).random((80, 120)) < 0.5
    mask[:, :30] = False
    piece = place(mask)
    assert piece is not None
    assert (piece.draw_inside(WINDOW) == mask).all()
    assert piece.area_px == mask.sum()
    assert piece.box.col >= 130


def test_pixels_without_data_leave_the_mask() -> None:
    valid = np.ones((80, 120), dtype=bool)
    valid[:, :50] = False
    mask = np.zeros((80, 120), dtype=bool)
    mask[30:40, 40:60] = True
    piece = place(mask, valid=valid)
    assert piece is not None
    assert piece.box == PixelWindow(150, 230, 10, 10)
    assert place(mask, valid=np.zeros((80, 120), dtype=bool)) is None


@pytest.mark.parametrize(
    ("box", "margin_px"),
    [
        ((0, 10, 5, 5), 10),  # the region's left border is no cut, the window's upper one is
        ((0, 70, 5, 10), 0),
        ((114, 30, 5, 5), 1),
    ],
)
def test_the_margin_is_counted_from_inner_borders(box: tuple[int, int, int, int], margin_px: int) -> None:
    mask = np.zeros((80, 120), dtype=bool)
    mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = True
    piece = place(mask)
    assert piece is not None
    assert piece.margin_px == margin_px


def test_a_window_that_is_the_region_has_no_border() -> None:
    piece = place(np.ones((500, 500), dtype=bool), REGION)
    assert piece is not None
    assert piece.margin_px == NO_BORDER


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_coarse_mask_fills_the_ground_it_stands_for(scale: int) -> None:
    mask = np.zeros((30, 40), dtype=bool)
    mask[5:25, 10:30] = True
    window = PixelWindow(100, 200, 40 * scale, 30 * scale)
    piece = place(mask, window)
    assert piece is not None
    assert piece.area_px == pytest.approx(400 * scale**2, rel=0.02)
    assert piece.box == PixelWindow(100 + 10 * scale, 200 + 5 * scale, 20 * scale, 20 * scale)


def test_the_outline_of_a_coarse_disc_is_better_than_stairs() -> None:
    rows, cols = np.mgrid[:60, :60]
    mask = (rows - 29.5) ** 2 + (cols - 29.5) ** 2 < 20**2
    piece = place(mask, PixelWindow(100, 200, 240, 240))
    assert piece is not None
    rows, cols = np.mgrid[:240, :240]
    exact = (rows - 119.5) ** 2 + (cols - 119.5) ** 2 < 80**2
    drawn = piece.draw_inside(PixelWindow(100, 200, 240, 240))
    stairs = mask.repeat(4, axis=0).repeat(4, axis=1)
    assert (drawn != exact).sum() < 0.85 * (stairs != exact).sum()


def test_a_coarse_mask_along_the_border_reaches_it() -> None:
    piece = place(np.ones((20, 30), dtype=bool), WINDOW)
    assert piece is not None
    assert piece.box == WINDOW
    assert piece.area_px == WINDOW.width * WINDOW.height


def test_a_finer_look_comes_back_to_the_raster() -> None:
    mask = np.zeros((160, 240), dtype=bool)
    mask[20:60, 40:100] = True
    piece = place(mask)
    assert piece is not None
    assert piece.box == PixelWindow(120, 210, 30, 20)
    assert piece.area_px == 600


def test_the_store_returns_what_it_got_and_numbers_by_place(tmp_path: Path) -> None:
    pieces = []
    for col in (60, 10, 30):
        mask = np.zeros((80, 120), dtype=bool)
        mask[20:40, col : col + 8] = True
        piece = place(mask)
        assert piece is not None
        pieces.append(piece)
    with PieceStore(tmp_path) as store:
        window = store.add_window(WINDOW)
        for piece in pieces * 700:  # more than the first table holds
            store.add(window, piece)
        store.sort()
        assert len(store) == 2100
        assert store.get(0) == pieces[1]
        assert store.get(2099) == pieces[0]
        assert store.box(700) == pieces[2].box
    assert not list(tmp_path.iterdir())
