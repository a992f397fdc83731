"""Draws figures as PNG files, for documents that cannot hold a page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from server.datasets.report.figures import Bars, Figure, HeatMap, Histogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN, BAR_IN, DOTS_PER_INCH = 6.4, 3.6, 0.26, 150
COLOUR, COLOURS = "#2a78b5", "Blues"


def write_figures(figures: Iterable[Figure], folder: Path) -> list[Path]:
    """Write every figure, on white, and return the files."""
    from matplotlib.figure import Figure as Canvas  # not pyplot, which keeps figures for a screen

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in figures:
        height = 1 + BAR_IN * len(figure.names) if isinstance(figure, Bars) else HEIGHT_IN
        canvas = Canvas(figsize=(WIDTH_IN, height), layout="constrained")
        axes = canvas.add_subplot()
        _draw(figure, axes)
        axes.set_title(figure.title, fontsize=10)
        path = folder / f"{figure.key}.png"
        canvas.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
        written.append(path)
    return written


def _draw(figure: Figure, axes: Axes) -> None:
    if isinstance(figure, Bars):
        axes.barh(range(len(figure.names)), figure.values, color=COLOUR, tick_label=figure.names)
        axes.invert_yaxis()
        axes.set_xlabel(figure.unit)
    elif isinstance(figure, Histogram):
        edges = np.linspace(0, figure.end, len(figure.counts) + 1)
        axes.stairs(figure.counts, edges, fill=True, color=COLOUR)
        axes.set_xlabel(f"{figure.unit}. {figure.note}" if figure.note else figure.unit)
        axes.set_ylabel(figure.counted)
    else:
        _draw_heat_map(figure, axes)


def _draw_heat_map(figure: HeatMap, axes: Axes) -> None:
    drawn = axes.imshow(figure.values, cmap=COLOURS, vmin=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.get_figure().colorbar(drawn, label=figure.unit)  # type: ignore[union-attr]
