"""Earlier masks come back nearly exact, to their owner alone, and take bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from server.errors import BadParameter
from server.rasters.windows import PixelWindow
from server.segmentation.prompting.earlier_masks import CLIENT_SHARE, LOGIT_STEP, EarlierMasks, Owner, SeenLogits
from server.segmentation.prompting.looks import Look

OWNER = Owner("client", "raster", "embedded")
LOOK = Look(PixelWindow(100, 200, 64, 64), (64, 64))


def seen(logits: np.ndarray, look: Look = LOOK, to_low: tuple[float, float] = (0.5, 0.5)) -> SeenLogits:
    return SeenLogits(logits.astype(np.float32), look, to_low, PixelWindow(110, 210, 5, 6))


def noise(seed: int) -> SeenLogits:
    return seen(np.random.default_rng(seed).normal(0, 8, (32, 32)))


def test_logits_come_back_within_half_a_step() -> None:
    masks, given = EarlierMasks(1 << 20), noise(0)
    found = masks.find(OWNER, masks.keep(OWNER, given))
    assert found.look == given.look
    assert (found.to_low, found.box) == (given.to_low, given.box)
    assert found.logits.dtype == np.float32
    inside = np.abs(given.logits) < 31
    assert np.abs(found.logits - given.logits)[inside].max() <= LOGIT_STEP / 2


@pytest.mark.parametrize(
    "other", [("another", "raster", "embedded"), ("client", "x", "embedded"), ("client", "raster", "x")]
)
def test_only_the_owner_finds_a_mask(other: tuple[str, str, str]) -> None:
    masks = EarlierMasks(1 << 20)
    mask_id = masks.keep(OWNER, noise(0))
    masks.keep(Owner(*other), noise(1))
    with pytest.raises(BadParameter, match='Leave "previous" out') as caught:
        masks.find(Owner(*other), mask_id)
    assert caught.value.field == "previous"
    masks.find(OWNER, mask_id)


def test_memory_is_bounded_and_the_last_used_stay() -> None:
    one = EarlierMasks(1 << 30)
    one.keep(OWNER, noise(0))
    size = one.n_bytes
    masks = EarlierMasks(int(size / CLIENT_SHARE * 3.5))  # three masks of one client
    first, second, third = (masks.keep(OWNER, noise(number)) for number in range(3))
    masks.find(OWNER, first)
    fourth = masks.keep(OWNER, noise(3))
    for mask_id in (first, third, fourth):
        masks.find(OWNER, mask_id)
    with pytest.raises(BadParameter):
        masks.find(OWNER, second)
    for client in range(40):
        masks.keep(Owner(f"client {client}", "raster", "embedded"), noise(client))
        assert masks.n_bytes <= size / CLIENT_SHARE * 3.5
    with pytest.raises(BadParameter):
        masks.find(OWNER, first)


def test_a_flood_of_one_client_leaves_the_masks_of_others() -> None:
    masks = EarlierMasks(64 * 1024)
    mine = masks.keep(OWNER, noise(0))
    for number in range(200):
        masks.keep(Owner("flood", "raster", "embedded"), noise(number))
    masks.find(OWNER, mine)
    assert masks.n_bytes <= 64 * 1024


def test_a_mask_that_is_too_large_is_forgotten_at_once() -> None:
    masks = EarlierMasks(10)
    mask_id = masks.keep(OWNER, noise(0))
    assert masks.n_bytes == 0
    with pytest.raises(BadParameter):
        masks.find(OWNER, mask_id)


def test_the_same_look_gets_the_same_numbers() -> None:
    given = noise(0)
    assert given.seen_from(Look(PixelWindow(100, 200, 64, 64), (64, 64)), (0.5, 0.5)) is given.logits


def test_another_look_sees_the_mask_where_it_lies() -> None:
    rows, cols = np.mgrid[0:32, 0:32]
    given = seen(np.where((rows >= 8) & (rows < 16) & (cols >= 4) & (cols < 20), 8.0, -8.0))
    # In the raster: columns 108..140, rows 216..232. Seen from twice as far, from 64 pixels further left and up.
    further = given.seen_from(Look(PixelWindow(36, 136, 128, 128), (64, 64)), (0.25, 0.25))
    box = further > 0
    assert np.flatnonzero(box.any(axis=0))[[0, -1]].tolist() == [18, 25]
    assert np.flatnonzero(box.any(axis=1))[[0, -1]].tolist() == [20, 23]
    assert (further[:, :15] == 0).all()  # nothing was seen there
