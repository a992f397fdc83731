"""What the figures of a report show, apart from how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.datasets.report.statistics import Statistics

N_BINS, N_SHARE_BINS = 40, 20
# Rows of a figure of classes; the others are told in the table.
MAX_BARS = 40
# The distribution of sizes ends where this share of the objects is smaller.
SHOWN_SHARE = 0.95
# Ends of the axis of sizes, times powers of ten.
ROUND_ENDS = (1.0, 2.5, 5.0)


@dataclass(frozen=True)
class Bars:
    """One bar for each name.

    Attributes:
        key: name of the figure's file.
        title: above it.
        unit: of the values.
        names: from the top.
        values: of the bars.
    """

    key: str
    title: str
    unit: str
    names: tuple[str, ...]
    values: tuple[int, ...]


@dataclass(frozen=True)
class Histogram:
    """How often values fall into bins of equal width.

    Attributes:
        key: name of the figure's file.
        title: above it.
        unit: of the values.
        counted: what is counted.
        counts: from the left.
        end: right edge of the last bin; the first begins at 0.
        note: what is not in the figure; may be empty.
    """

    key: str
    title: str
    unit: str
    counted: str
    counts: tuple[int, ...]
    end: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Shares by place.

    Attributes:
        key: name of the figure's file.
        title: above it.
        unit: of the values.
        values: float64 (rows, columns), 0..1.
    """

    key: str
    title: str
    unit: str
    values: NDArray[np.float64]


Figure = Bars | Histogram | HeatMap


def make_figures(statistics: Statistics, size_cutoff: int | None) -> list[Figure]:
    """Return the figures of a report in their order.

    Args:
        statistics: with at least one object.
        size_cutoff: where the distribution of sizes ends, in pixels; None chooses it.
    """
    by_class = {name: counts.sizes_px for name, counts in statistics.by_class.items()}
    figures: list[Figure] = [
        _make_bars("instances", "Instances by class", {name: len(sizes) for name, sizes in by_class.items()}),
        _make_bars("pixels", "Pixels by class", {name: sum(sizes) for name, sizes in by_class.items()}),
        _make_sizes(statistics.sizes_px, size_cutoff),
        _make_crowd(statistics.objects_per_image),
    ]
    if len(statistics.box_ious):
        figures.append(_make_shares("box_iou", "IoU of the mask's box with the prompt's box", statistics.box_ious))
    if len(statistics.truth_ious):
        figures.append(_make_shares("truth_iou", "IoU with the truth", statistics.truth_ious))
    figures.append(HeatMap("heat_map", "Where objects lie in their images", "share of images", statistics.heat))
    return figures


def _make_bars(key: str, title: str, values: dict[str, int]) -> Bars:
    """Return bars from the longest to the shortest; `key` is also the unit."""
    ordered = sorted(values.items(), key=lambda row: -row[1])
    shown = ordered[:MAX_BARS]
    left_out = f" (the {MAX_BARS} largest of {len(ordered)})" if len(ordered) > MAX_BARS else ""
    names, lengths = zip(*shown, strict=True)
    return Bars(key, title + left_out, key, names, lengths)


def _make_sizes(sizes: NDArray[np.int64], cutoff: int | None) -> Histogram:
    end = float(cutoff) if cutoff is not None else choose_end(float(np.quantile(sizes, SHOWN_SHARE)))
    counts, _ = np.histogram(sizes, bins=N_BINS, range=(0, end))
    n_larger = int((sizes > end).sum())
    note = f"{n_larger} larger ones ({n_larger / len(sizes):.1%}) are beyond the cut-off of {end:,.0f} pixels."
    return Histogram(
        "sizes", "Sizes of masks", "pixels", "instances", tuple(counts.tolist()), end, note=note if n_larger else ""
    )


def _make_crowd(objects_per_image: Sequence[int]) -> Histogram:
    most = max(objects_per_image)
    width = max(1, -(-(most + 1) // N_BINS))
    n_bins = most // width + 1
    counts, _ = np.histogram(objects_per_image, bins=n_bins, range=(0, n_bins * width))
    title = "Objects per image"
    return Histogram("objects_per_image", title, "objects", "images", tuple(counts.tolist()), float(n_bins * width))


def _make_shares(key: str, title: str, values: NDArray[np.float64]) -> Histogram:
    counts, _ = np.histogram(values, bins=N_SHARE_BINS, range=(0, 1))
    note = f"Mean {values.mean():.3f}, median {np.median(values):.3f}."
    return Histogram(key, title, "IoU", "instances", tuple(counts.tolist()), 1.0, note=note)


def choose_end(value: float) -> float:
    """Return the smallest round number that is not below a value: 1, 2.5 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(max(value, 1.0)))
    return float(next((step * power for step in ROUND_ENDS if step * power >= value), 10 * power))
