"""Puts figures, tables and pictures into one HTML file that needs nothing else, for light and dark screens."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from server.datasets.report.comparison import compare_with_samrs
from server.datasets.report.figures import Figure, Histogram
from server.datasets.report.statistics import ClassCounts, Statistics
from server.datasets.report.svg import draw_svg

# Classes whose examples are shown; the file grows by 30 kB with each.
MAX_EXAMPLE_ROWS = 60
NOTHING = "–"
STYLE = """
:root { color-scheme: light dark; --bar: #2a78b5; --ground: #ffffff; --ink: #1d2730; --soft: #5b6873; --line: #d9dee3; }
@media (prefers-color-scheme: dark) {
  :root { --bar: #5aa9e6; --ground: #14191e; --ink: #e3e8ec; --soft: #9aa7b2; --line: #343d46; }
}
body { background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 860px; padding: 24px; }
h1 { font-size: 1.7rem; margin: 0 0 4px; } h2 { font-size: 1.2rem; margin: 40px 0 8px; }
p.soft, figcaption { color: var(--soft); font-size: 0.9rem; }
dl { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); margin: 20px 0; }
dl div { border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; }
dt { color: var(--soft); font-size: 0.8rem; } dd { font-size: 1.25rem; font-weight: 600; margin: 0; }
figure { margin: 12px 0 0; } svg.figure { display: block; height: auto; width: 100%; }
svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
svg .bar { fill: var(--bar); } svg .grid { stroke: currentColor; stroke-opacity: 0.15; }
svg .frame { fill: none; stroke: currentColor; stroke-opacity: 0.3; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.85rem; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: 5px 8px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; } th { color: var(--soft); font-weight: 600; }
.examples { align-items: center; display: flex; flex-wrap: wrap; gap: 6px; margin: 10px 0; }
.examples span { flex: 0 0 140px; overflow-wrap: anywhere; } .examples img { border-radius: 4px; height: 112px;
  width: 112px; }
"""
# The page runs nothing and loads nothing, also where it is opened as a file: its own style, and pictures inside of it.
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; img-src data:; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class Heading:
    """What stands above a report.

    Attributes:
        title: of the dataset.
        source: where it lies, in words.
        notes: sentences about how it was read.
    """

    title: str
    source: str
    notes: Sequence[str] = ()


def render_page(statistics: Statistics, heading: Heading, figures: Sequence[Figure]) -> str:
    """Return a whole HTML page.

    Args:
        statistics: with at least one object.
        heading: above it.
        figures: of `make_figures`.
    """
    body = [
        _render_totals(statistics),
        *(_render_figure(figure) for figure in figures),
        "<h2>Classes</h2>",
        _render_classes(statistics),
        "<h2>Examples</h2>",
        '<p class="soft">Chosen by chance; the outline is the mask’s.</p>',
        *_render_examples(statistics),
        "<h2>Beside SAMRS</h2>",
        *(f"<p>{escape(sentence)}</p>" for sentence in compare_with_samrs(statistics)),
    ]
    return _render_frame(heading, body)


def render_empty_page(heading: Heading) -> str:
    """Return the page of a dataset without objects."""
    return _render_frame(heading, ["<p>The dataset holds no objects, so there is nothing to show.</p>"])


def _render_frame(heading: Heading, body: Iterable[str]) -> str:
    notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in heading.notes)
    parts = [f"<h1>{escape(heading.title)}</h1>", f'<p class="soft">{escape(heading.source)}</p>{notes}', *body]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(heading.title)}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _render_totals(statistics: Statistics) -> str:
    sizes = statistics.sizes_px
    per_image = np.array(statistics.objects_per_image)
    totals = {
        "Images": f"{len(per_image):,}",
        "Instances": f"{statistics.n_objects:,}",
        "Classes": f"{len(statistics.by_class):,}",
        "Objects per image": f"{per_image.mean():.1f}",
        "Pixels in masks": f"{sizes.sum() / statistics.image_px:.1%}",
        "Median size": f"{np.median(sizes):,.0f} px",
        "Variation of sizes": tell_variation(sizes),
    }
    if len(statistics.box_ious):
        totals["IoU with prompt box"] = f"{statistics.box_ious.mean():.3f}"
    if len(statistics.truth_ious):
        totals["IoU with truth"] = f"{statistics.truth_ious.mean():.3f}"
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{told}</dd></div>" for name, told in totals.items()) + "</dl>"


def tell_variation(sizes: NDArray[np.int64]) -> str:
    """Return the coefficient of variation: the standard deviation of sizes over their mean."""
    return f"{sizes.std() / sizes.mean():.2f}" if len(sizes) else NOTHING


def _render_figure(figure: Figure) -> str:
    note = figure.note if isinstance(figure, Histogram) else ""
    caption = f"<figcaption>{escape(note)}</figcaption>" if note else ""
    return f"<h2>{escape(figure.title)}</h2><figure>{draw_svg(figure)}{caption}</figure>"


def _render_classes(statistics: Statistics) -> str:
    heads = ["Class", "Instances", "Pixels", "Share of pixels", "Median size", "Mean size", "Variation"]
    optional = (("Box IoU", len(statistics.box_ious)), ("Truth IoU", len(statistics.truth_ious)))
    heads += [name for name, is_known in optional if is_known]
    all_px = max(int(statistics.sizes_px.sum()), 1)
    rows = []
    for name, counts in statistics.by_class.items():
        cells = [name, *_tell_sizes(counts, all_px)]
        cells += [_tell_mean(counts.box_ious)] if optional[0][1] else []
        cells += [_tell_mean(counts.truth_ious)] if optional[1][1] else []
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in heads)
    note = "Sizes in pixels; the variation is the standard deviation of sizes over their mean."
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div><p class="soft">{note}</p>'


def _tell_sizes(counts: ClassCounts, all_px: int) -> list[str]:
    sizes = np.array(counts.sizes_px, np.int64)
    if not len(sizes):
        return ["0", "0", "0.0%", NOTHING, NOTHING, NOTHING]
    told = [f"{len(sizes):,}", f"{sizes.sum():,}", f"{sizes.sum() / all_px:.1%}"]
    return [*told, f"{np.median(sizes):,.0f}", f"{sizes.mean():,.0f}", tell_variation(sizes)]


def _tell_mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f}" if values else NOTHING


def _render_examples(statistics: Statistics) -> Iterable[str]:
    shown = [(name, counts) for name, counts in statistics.by_class.items() if counts.sizes_px]
    for name, counts in shown[:MAX_EXAMPLE_ROWS]:
        pictures = "".join(_render_picture(picture, name) for picture in counts.examples.pictures)
        yield f'<div class="examples"><span>{escape(name)}</span>{pictures}</div>'
    if len(shown) > MAX_EXAMPLE_ROWS:
        yield f'<p class="soft">{len(shown) - MAX_EXAMPLE_ROWS} more classes are not shown.</p>'


def _render_picture(picture: NDArray[np.uint8], name: str) -> str:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    data = base64.b64encode(encoded.tobytes()).decode("ascii")
    return f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">'
