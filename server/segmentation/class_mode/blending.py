"""Blends the logits of overlapping windows into one map without seams, holding only one row of windows in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.whole_raster.window_plan import WindowPlan

Logits = NDArray[np.float32]
# Returns float32 (window.height, window.width), over 0 where the class is; None where the window holds no data.
Look = Callable[[PixelWindow], Logits | None]
# Takes finished logits (strip.height, strip.width) of a strip as wide as the region; strips come from top to bottom.
Sink = Callable[[PixelWindow, Logits], None]


def blend(plan: WindowPlan, look: Look, sink: Sink) -> int:
    """Look at every window of `plan` and give the weighted mean of what overlapping ones say to `sink`.

    A window's weight falls towards its borders, where it sees little context, and the weights of all windows of a pixel
    sum to one. Windows without data count as logit 0, which concerns only pixels without data.

    Returns:
        Number of windows without data.
    """
    cols = [window.col for window in plan.windows[: plan.n_columns]]
    rows = [window.row for window in plan.windows[:: plan.n_columns]]
    region, size = plan.region, plan.windows[0]
    col_weights = share_weights(cols, size.width, region.col, region.width)
    row_weights = share_weights(rows, size.height, region.row, region.height)
    band = np.zeros((size.height, region.width), np.float32)
    n_empty = 0
    for number, top in enumerate(rows):
        for column, left in enumerate(cols):
            logits = look(plan.windows[number * plan.n_columns + column])
            if logits is None:
                n_empty += 1
                continue
            weights = row_weights[number][:, None] * col_weights[column]
            band[:, left - region.col : left - region.col + size.width] += weights * logits
        is_last = number + 1 == len(rows)
        n_done = size.height if is_last else rows[number + 1] - top
        sink(PixelWindow(region.col, top, region.width, n_done), band[:n_done])
        band = np.concatenate([band[n_done:], np.zeros((n_done, region.width), np.float32)])
    return n_empty


def share_weights(starts: list[int], size: int, first: int, length: int) -> NDArray[np.float32]:
    """Return float32 (N, size): how much each of N windows along one side says about each of its pixels.

    Args:
        starts: where the windows begin.
        size: of each.
        first: where the region begins, which they cover together.
        length: of the region.
    """
    from_border = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    total = np.zeros(length)
    for start in starts:
        total[start - first : start - first + size] += from_border
    shares = [from_border / total[start - first : start - first + size] for start in starts]
    return np.asarray(shares, dtype=np.float32)
