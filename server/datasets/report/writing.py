"""Measures a dataset and writes its report into it."""

from __future__ import annotations

from collections.abc import Callable

from server.datasets.building.layout import Layout, drafting
from server.datasets.report.figures import make_figures
from server.datasets.report.objects import CountedDataset
from server.datasets.report.page import Heading, render_empty_page, render_page
from server.datasets.report.statistics import measure_dataset


def write_report(layout: Layout, dataset: CountedDataset, heading: Heading, tell: Callable[[], object]) -> None:
    """Write the page, whole or not at all; the same dataset gives the same bytes.

    Args:
        layout: of the dataset.
        dataset: every image of it is read once.
        heading: above the report.
        tell: called after every image; may raise to stop.
    """
    statistics = measure_dataset(dataset, {}, tell)
    if statistics.n_objects:
        page = render_page(statistics, heading, make_figures(statistics, None))
    else:
        page = render_empty_page(heading)
    with drafting(layout.report) as draft:
        draft.write_text(page, encoding="utf-8")
