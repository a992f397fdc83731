"""Figures show what was counted, and take their colours from the page."""

from __future__ import annotations

import base64
import hashlib
import re
from xml.etree import ElementTree

import cv2
import pytest

from server.datasets.building.layout import Layout
from server.datasets.report.figures import Bars, Histogram, choose_end, make_figures
from server.datasets.report.objects import CountedImage
from server.datasets.report.page import Heading, render_page
from server.datasets.report.png import write_figures
from server.datasets.report.statistics import measure_dataset
from server.datasets.report.svg import draw_svg, list_ticks
from server.datasets.report.writing import write_report
from tests.datasets.report.conftest import KnownDataset


@pytest.fixture
def statistics(known):
    return measure_dataset(known, {}, lambda: None)


@pytest.fixture
def figures(statistics):
    return make_figures(statistics, None)


def test_figures_hold_the_counts(figures):
    by_key = {figure.key: figure for figure in figures}
    assert list(by_key) == ["instances", "pixels", "sizes", "objects_per_image", "box_iou", "heat_map"]
    instances, pixels = by_key["instances"], by_key["pixels"]
    assert isinstance(instances, Bars)
    assert (instances.names, instances.values) == (("car", "bus", "ship"), (2, 1, 0))
    assert pixels.values == (1124, 128, 0)
    assert by_key["objects_per_image"].counts == (1, 1, 1)
    assert sum(by_key["box_iou"].counts) == 3
    assert by_key["sizes"].end == 1000
    assert "1 larger ones (33.3%) are beyond the cut-off of 1,000 pixels" in by_key["sizes"].note


def test_the_cut_off_can_be_chosen(statistics):
    sizes = next(figure for figure in make_figures(statistics, 200) if figure.key == "sizes")
    assert isinstance(sizes, Histogram)
    assert (sizes.end, sum(sizes.counts)) == (200, 2)


@pytest.mark.parametrize(("value", "end"), [(1, 1), (2.4, 2.5), (26, 50), (51, 100), (9000, 10000), (0, 1)])
def test_axes_end_at_round_numbers(value, end):
    assert choose_end(value) == end


def test_ticks_are_round():
    assert list_ticks(176, 5, is_whole=True) == [0, 50, 100, 150]
    assert list_ticks(3, 5, is_whole=True) == [0, 1, 2, 3]
    assert list_ticks(1, 5, is_whole=False) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_svg_is_well_formed_and_has_no_colours_of_its_own(figures):
    for figure in figures:
        drawn = draw_svg(figure)
        ElementTree.fromstring(drawn)
        assert not re.search(r'(fill|stroke)="', drawn)
    assert "&lt;script&gt;" in draw_svg(Bars("instances", "Names", "instances", ("<script>",), (1,)))


def test_the_page_needs_nothing_else(statistics, figures):
    page = render_page(statistics, Heading("A <b> set", "in a folder", ("Some note.",)), figures)
    assert "prefers-color-scheme: dark" in page
    assert "A &lt;b&gt; set" in page
    assert page.count("<svg") == len(figures)
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r'(src|href)="(?!data:)', page)
    # Sizes of cars: 1024 and 100, so the deviation 462 over the mean 562.
    assert "<td>car</td><td>2</td><td>1,124</td><td>89.8%</td><td>562</td><td>562</td><td>0.82</td>" in page


def test_the_page_allows_its_own_style_and_nothing_that_runs(statistics, figures):
    page = render_page(statistics, Heading("A set", "in a folder"), figures)
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = page.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
    assert policy.startswith(f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; ")
    assert not re.search(r"<script|\bstyle=|\bon[a-z]+=|javascript:", page)


def test_a_dataset_without_objects_has_a_page(tmp_path):
    nothing = KnownDataset([CountedImage("a", (20, 10), (), None)], ("car",))
    write_report(Layout(tmp_path), nothing, Heading("Empty", "in a folder"), lambda: None)
    assert "The dataset holds no objects" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_png_figures_are_written_and_stay_the_same(figures, tmp_path):
    written = write_figures(figures, tmp_path / "one")
    assert [path.stem for path in written] == [figure.key for figure in figures]
    assert all(cv2.imread(str(path)).std() > 1 for path in written)
    (again,) = write_figures(figures[2:3], tmp_path / "two")
    assert again.read_bytes() == written[2].read_bytes()
