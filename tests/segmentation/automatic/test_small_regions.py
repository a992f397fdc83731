"""Small holes and islands on a mask's own box come out as the package finds them on the whole image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segment_anything.utils.amg import remove_small_regions

from server.segmentation.automatic.small_regions import clean_masks
from server.segmentation.mask_records import MaskRecord, crop_mask


def make_record(mask: np.ndarray) -> MaskRecord:
    cropped = crop_mask(mask)
    assert cropped is not None
    return MaskRecord(*cropped, 0.9, 0.95, (1.0, 2.0))


def whole(record: MaskRecord, shape: tuple[int, int]) -> np.ndarray:
    x, y, width, height = record.bbox_xywh
    mask = np.zeros(shape, dtype=bool)
    mask[y : y + height, x : x + width] = record.mask
    return mask


@settings(max_examples=150)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    box=st.tuples(*[st.floats(0, 1)] * 4),
    density=st.sampled_from([0.05, 0.3, 0.5, 0.7, 0.95, 1.0]),
    min_area=st.integers(1, 60),
    seed=st.integers(0, 1000),
)
def test_a_cropped_mask_is_cleaned_as_the_whole(
    height: int, width: int, box: tuple[float, ...], density: float, min_area: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < density
    (top, bottom), (left, right) = sorted(box[:2]), sorted(box[2:])
    mask[: int(top * height)] = mask[int(np.ceil(bottom * height)) :] = False
    mask[:, : int(left * width)] = mask[:, int(np.ceil(right * width)) :] = False
    mask[int(top * (height - 1)), int(left * (width - 1))] = True
    expected, _ = remove_small_regions(mask, min_area, "holes")
    expected, _ = remove_small_regions(expected, min_area, "islands")
    (cleaned,) = clean_masks([make_record(mask)], min_area, (height, width), 0.7)
    # Where all islands are small and equally large, which one stays depends on the order they are found in.
    if np.count_nonzero(expected) >= min_area:
        np.testing.assert_array_equal(whole(cleaned, mask.shape), expected)
    else:
        assert cleaned.area_px == np.count_nonzero(expected)
    assert cleaned.mask[[0, -1]].any(axis=1).all()
    assert cleaned.mask[:, [0, -1]].any(axis=0).all()


def test_a_mask_without_small_parts_is_the_same_object() -> None:
    record = make_record(np.pad(np.ones((10, 10), dtype=bool), 5))
    assert clean_masks([record], 20, (20, 20), 0.7) == [record]


def test_masks_that_needed_no_change_win() -> None:
    clean = np.pad(np.ones((10, 10), dtype=bool), 5)
    holed = clean.copy()
    holed[9, 9] = False
    first, second = make_record(holed), make_record(clean)
    kept = clean_masks([first, second], 20, (20, 20), 0.7)
    assert len(kept) == 1
    assert kept[0] is second


@pytest.mark.parametrize(("min_area", "n_pixels"), [(1, 99), (2, 100)])
def test_a_hole_as_large_as_the_limit_stays(min_area: int, n_pixels: int) -> None:
    holed = np.pad(np.ones((10, 10), dtype=bool), 5)
    holed[9, 9] = False
    (cleaned,) = clean_masks([make_record(holed)], min_area, (20, 20), 0.7)
    assert cleaned.area_px == n_pixels
    assert cleaned.bbox_xywh == (5, 5, 10, 10)
    assert (cleaned.predicted_iou, cleaned.stability_score, cleaned.point_xy) == (0.9, 0.95, (1.0, 2.0))
