"""The logits of a window are those of the package's two full upsamplings, and nothing is missed outside of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from server.segmentation.automatic.mask_windows import WindowUpsampler, find_support


def upsample_whole(low: torch.Tensor, input_side: int, resized: tuple[int, int], crop: tuple[int, int]) -> np.ndarray:
    square = functional.interpolate(low[None, None], (input_side, input_side), mode="bilinear", align_corners=False)
    part = square[..., : resized[0], : resized[1]]
    return functional.interpolate(part, crop, mode="bilinear", align_corners=False)[0, 0].numpy()


def draw_logits(side: int, seed: int, n_blobs: int) -> torch.Tensor:
    """Return (side, side): -9 with a few noisy rectangles around 0, some of them at the border."""
    rng = np.random.default_rng(seed)
    logits = np.full((side, side), -9.0)
    for _ in range(n_blobs):
        y, x, height, width = rng.integers(0, side, 4)
        logits[y : y + height, x : x + width] = rng.normal(0, 3, logits[y : y + height, x : x + width].shape)
    return torch.from_numpy(logits.astype(np.float32))


@settings(max_examples=150)
@given(
    low_side=st.sampled_from([4, 16, 32]),
    factor=st.sampled_from([1, 2, 4]),
    resized=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    crop=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    keeps_size=st.booleans(),
    cutoff=st.sampled_from([-1.0, 0.0, 2.5]),
    seed=st.integers(0, 10_000),
)
def test_windows_are_those_of_the_whole(
    low_side: int,
    factor: int,
    resized: tuple[float, float],
    crop: tuple[int, int],
    keeps_size: bool,
    cutoff: float,
    seed: int,
) -> None:
    input_side = low_side * factor
    resized_px = (max(1, int(resized[0] * input_side)), max(1, int(resized[1] * input_side)))
    crop = resized_px if keeps_size else crop
    low = draw_logits(low_side, seed, seed % 4)
    whole = upsample_whole(low, input_side, resized_px, crop)
    (support,) = find_support(low[None], cutoff)
    upsampler = WindowUpsampler(low_side, input_side, resized_px, crop)
    window = upsampler.upsample(low.numpy(), support) if support else None
    if window is None:
        assert not (whole > cutoff).any()
        return
    height, width = window.logits.shape
    inside = whole[window.y : window.y + height, window.x : window.x + width]
    np.testing.assert_allclose(window.logits, inside, atol=2e-5)
    assert np.count_nonzero(inside > cutoff) == np.count_nonzero(whole > cutoff)


def test_real_sizes_are_exact() -> None:
    low = torch.randn(256, 256, generator=torch.Generator().manual_seed(0)) * 5
    whole = upsample_whole(low, 1024, (1024, 1024), (1024, 1024))
    window = WindowUpsampler(256, 1024, (1024, 1024), (1024, 1024)).upsample(low.numpy(), (100, 140, 7, 256))
    assert window is not None
    height, width = window.logits.shape
    assert (height, width) == (165, 999)  # 40 and 249 enlarged four times, and half a pixel that they reach into
    np.testing.assert_allclose(
        window.logits, whole[window.y : window.y + height, window.x : window.x + width], atol=4e-6
    )


def test_a_support_is_the_smallest_box() -> None:
    masks = torch.full((3, 8, 8), -5.0)
    masks[1, 2:4, 5:8] = 1.0
    masks[2, 7, 0] = 1.0
    assert find_support(masks, 0.0) == [None, (2, 4, 5, 8), (7, 8, 0, 1)]
    assert find_support(masks[:0], 0.0) == []


def test_masks_that_do_not_divide_the_input_are_refused() -> None:
    with pytest.raises(ValueError, match="side 100 do not divide an input of side 256"):
        WindowUpsampler(100, 256, (256, 256), (256, 256))
