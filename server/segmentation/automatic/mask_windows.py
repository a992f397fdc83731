"""Brings low-resolution logits to the pixels of a crop, but only in the window where a mask can be.

SAM upsamples every mask twice with bilinear weights: to the network's square input, and from its part that is no
padding to the crop. Both steps are repeated here with the same float32 weights, so the numbers are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# First row, row after the last, first column, column after the last.
Support = tuple[int, int, int, int]


@dataclass(frozen=True)
class LogitWindow:
    """Logits of a part of a crop; outside of it they are below what was asked.

    Attributes:
        logits: float32 (height, width).
        x: first column in pixels of the crop.
        y: first row in pixels of the crop.
    """

    logits: Floats
    x: int
    y: int


class WindowUpsampler:
    """Upsamples masks of one crop."""

    def __init__(self, low_side: int, input_side: int, resized: tuple[int, int], crop: tuple[int, int]) -> None:
        """Prepare the weights.

        Args:
            low_side: of the square low-resolution masks, in pixels.
            input_side: of the network's square input, a multiple of `low_side`.
            resized: height and width of the crop as the network saw it, without padding.
            crop: height and width of the crop.
        """
        if input_side % low_side:
            raise ValueError(f"masks of side {low_side} do not divide an input of side {input_side}")
        self._factor = input_side // low_side
        self._rows, self._cols = (
            _TwoSteps(_Axis(low_side, input_side, resized[axis]), _Axis(resized[axis], crop[axis], crop[axis]))
            for axis in (0, 1)
        )

    def upsample(self, low: Floats, support: Support) -> LogitWindow | None:
        """Return the logits of the window that a part of the low-resolution mask reaches.

        Args:
            low: float32 (low_side, low_side).
            support: that part.

        Returns:
            The window, or None where the part lies in the padding.
        """
        rows = self._rows.plan(support[0], support[1])
        cols = self._cols.plan(support[2], support[3])
        if rows is None or cols is None:
            return None
        square = _enlarge(low, self._factor, (rows.first, rows.end), (cols.first, cols.end))
        return LogitWindow(_blend(square, rows, cols), cols.start, rows.start)


def find_support(low: torch.Tensor, cutoff: float) -> list[Support | None]:
    """Return where each mask exceeds a value.

    Args:
        low: float32 (K, side, side), low-resolution logits.
        cutoff: bilinear weights never bring a pixel above it whose neighbours are all below or equal.

    Returns:
        The smallest support of each mask; None where it never does.
    """
    if len(low) == 0:
        return []
    in_rows = (low.amax(dim=2) > cutoff).cpu().numpy()
    in_cols = (low.amax(dim=1) > cutoff).cpu().numpy()
    return [(*_span(rows), *_span(cols)) if rows.any() else None for rows, cols in zip(in_rows, in_cols, strict=True)]


def _span(is_inside: NDArray[np.bool_]) -> tuple[int, int]:
    places = np.flatnonzero(is_inside)
    return int(places[0]), int(places[-1]) + 1


@dataclass(frozen=True)
class _Taps:
    """How successive pixels of the crop, along one axis, mix pixels of the network's input.

    Attributes:
        start: the first of these pixels of the crop.
        first: the first input pixel that is needed.
        end: the input pixel after the last that is needed.
        before: int (N,), the first input of each pixel, counted from `first`.
        after: int (N,), the second input.
        share: float32 (N,), weight of the second input.
    """

    start: int
    first: int
    end: int
    before: NDArray[np.intp]
    after: NDArray[np.intp]
    share: Floats

    @property
    def is_identity(self) -> bool:
        return len(self.before) == self.end - self.first and not self.share.any()


class _Axis:
    """Bilinear resampling along one axis as torch does it (align_corners False), with float32 coordinates."""

    def __init__(self, n_in: int, n_full: int, n_out: int) -> None:
        """Prepare to make the first `n_out` of `n_full` outputs out of `n_in` inputs."""
        scale = np.float32(n_in) / np.float32(n_full)
        places = (np.arange(n_out, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
        places = np.maximum(places, np.float32(0))
        self.before = np.minimum(places.astype(np.intp), n_in - 1)
        self.after = np.minimum(self.before + 1, n_in - 1)
        self.share = np.clip(places - self.before.astype(np.float32), np.float32(0), np.float32(1))

    def reached_by(self, first: int, end: int) -> tuple[int, int]:
        """Return the range of outputs into which any of the inputs `first` to `end` - 1 goes."""
        return int(np.searchsorted(self.after, first)), int(np.searchsorted(self.before, end))


@dataclass(frozen=True)
class _TwoSteps:
    to_input: _Axis
    to_crop: _Axis

    def plan(self, first: int, end: int) -> _Taps | None:
        """Return how the pixels are made that low-resolution pixels `first` to `end` - 1 reach, if there are any."""
        start, stop = self.to_crop.reached_by(*self.to_input.reached_by(first, end))
        if start >= stop:
            return None
        axis, part = self.to_crop, slice(start, stop)
        needed = int(axis.before[start])
        return _Taps(
            start=start,
            first=needed,
            end=int(axis.after[stop - 1]) + 1,
            before=axis.before[part] - needed,
            after=axis.after[part] - needed,
            share=axis.share[part],
        )


def _enlarge(low: Floats, factor: int, rows: tuple[int, int], cols: tuple[int, int]) -> Floats:
    """Return the pixels `rows` x `cols` of `low` enlarged by a whole factor."""
    # One low-resolution pixel more on every side, so that its clamped border is cut off again. By a whole factor a
    # part has exactly the weights of the whole.
    top, left = (max(first // factor - 1, 0) for first, _ in (rows, cols))
    part = low[top : (rows[1] - 1) // factor + 2, left : (cols[1] - 1) // factor + 2]
    size = (part.shape[1] * factor, part.shape[0] * factor)
    enlarged = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    top, left = top * factor, left * factor
    return enlarged[rows[0] - top : rows[1] - top, cols[0] - left : cols[1] - left]


def _blend(values: Floats, rows: _Taps, cols: _Taps) -> Floats:
    """Resample along columns, then along rows, in torch's order."""
    if not cols.is_identity:
        values = _mix(values.take(cols.before, axis=1), values.take(cols.after, axis=1), cols.share)
    if not rows.is_identity:
        values = _mix(values.take(rows.before, axis=0), values.take(rows.after, axis=0), rows.share[:, None])
    return values


def _mix(before: Floats, after: Floats, share: Floats) -> Floats:
    """Return the weighted sum; overwrites both."""
    before *= 1 - share
    after *= share
    before += after
    return before
