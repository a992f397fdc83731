"""Draws figures as SVG that takes its colours from the page, so that it is readable on light and on dark ground."""

from __future__ import annotations

from html import escape

from server.datasets.report.figures import Bars, Figure, HeatMap, Histogram

WIDTH = 640
BAR_STEP, BAR_HEIGHT, NAME_WIDTH, VALUE_WIDTH = 24, 16, 170, 90
PLOT_HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 180, 56, 16, 10, 44
N_TICKS_ACROSS, N_TICKS_UP = 8, 5
ROUND_STEPS = (1.0, 2.0, 5.0)
CELL_PX, SCALE_WIDTH = 11, 120
MAX_NAME = 24


def draw_svg(figure: Figure) -> str:
    """Return an `<svg>` element; colours are `currentColor` and the page's `--bar`."""
    if isinstance(figure, Bars):
        height, parts = _draw_bars(figure)
    elif isinstance(figure, Histogram):
        height, parts = _draw_histogram(figure)
    else:
        height, parts = _draw_heat_map(figure)
    opening = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(figure.title)}" class="figure">'
    return "\n".join([opening, *parts, "</svg>"])


def tell_number(value: float) -> str:
    """Return a number short enough for an axis, such as 1.5k or 0.25."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 10 * limit or (value >= limit and value % limit):
            return f"{value / limit:.3g}{suffix}"
    return f"{value:,.4g}"


def list_ticks(end: float, n_at_most: int, *, is_whole: bool) -> list[float]:
    """Return multiples, from 0 to `end`, of the smallest round step that gives at most so many beside 0.

    Args:
        end: of the axis, over 0.
        n_at_most: see above.
        is_whole: the step is a whole number.
    """
    steps = (factor * 10.0**power for power in range(-3, 13) for factor in ROUND_STEPS)
    fitting = (step for step in steps if end / step <= n_at_most and not (is_whole and step % 1))
    step = next(fitting)
    return [step * number for number in range(int(end / step + 1e-9) + 1)]


def _draw_bars(figure: Bars) -> tuple[int, list[str]]:
    longest = max(max(figure.values, default=0), 1)
    room = WIDTH - NAME_WIDTH - VALUE_WIDTH
    parts = []
    for number, (name, value) in enumerate(zip(figure.names, figure.values, strict=True)):
        top = number * BAR_STEP
        length = room * value / longest
        short = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
        parts += [
            _text(NAME_WIDTH - 8, top + 13, short, "end"),
            _rectangle(NAME_WIDTH, top, length, BAR_HEIGHT, f"{name}: {value:,}"),
            _text(NAME_WIDTH + length + 6, top + 13, f"{value:,}", "start"),
        ]
    return len(figure.names) * BAR_STEP, parts


def _draw_histogram(figure: Histogram) -> tuple[int, list[str]]:
    room, most = WIDTH - LEFT - RIGHT, max(*figure.counts, 1)
    step = room / len(figure.counts)
    width = figure.end / len(figure.counts)
    floor = TOP + PLOT_HEIGHT
    parts = []
    for value in list_ticks(most, N_TICKS_UP, is_whole=True):
        y = floor - PLOT_HEIGHT * value / most
        parts.append(f'<line x1="{LEFT}" y1="{y:g}" x2="{WIDTH - RIGHT}" y2="{y:g}" class="grid"/>')
        parts.append(_text(LEFT - 6, y + 4, tell_number(value), "end"))
    for number, count in enumerate(figure.counts):
        height = PLOT_HEIGHT * count / most
        low = number * width
        label = f"{low:g} to {low + width:g} {figure.unit}: {count:,} {figure.counted}"
        parts.append(_rectangle(LEFT + number * step + 0.5, floor - height, step - 1, height, label))
    for value in list_ticks(figure.end, N_TICKS_ACROSS, is_whole=figure.end > 1):
        parts.append(_text(LEFT + room * value / figure.end, floor + 16, tell_number(value), "middle"))
    parts.append(_text(LEFT + room / 2, floor + 36, figure.unit, "middle"))
    parts.append(_text(LEFT, floor + 36, f"↑ {figure.counted}", "start"))
    return floor + BOTTOM, parts


def _draw_heat_map(figure: HeatMap) -> tuple[int, list[str]]:
    n_rows, n_cols = figure.values.shape
    most = max(float(figure.values.max()), 1e-9)
    left = (WIDTH - SCALE_WIDTH - n_cols * CELL_PX) / 2
    parts = []
    for row in range(n_rows):
        for col in range(n_cols):
            value = float(figure.values[row, col])
            parts.append(_cell(left + col * CELL_PX, row * CELL_PX, value / most, f"{value:.1%}"))
    parts.append(f'<rect x="{left:g}" y="0" width="{n_cols * CELL_PX}" height="{n_rows * CELL_PX}" class="frame"/>')
    edge = left + n_cols * CELL_PX + 24
    for step in range(6):
        top = (5 - step) * 2 * CELL_PX
        parts.append(_cell(edge, top, step / 5, ""))
        parts.append(f'<rect x="{edge:g}" y="{top}" width="{CELL_PX}" height="{CELL_PX}" class="frame"/>')
        parts.append(_text(edge + CELL_PX + 8, top + 10, f"{most * step / 5:.1%}", "start"))
    parts.append(_text(edge, 13 * CELL_PX, figure.unit, "start"))
    return n_rows * CELL_PX + 2, parts


def _cell(x: float, y: float, share: float, label: str) -> str:
    title = f"<title>{label}</title>" if label else ""
    place = f'x="{x:g}" y="{y:g}" width="{CELL_PX}" height="{CELL_PX}"'
    return f'<rect {place} class="bar" fill-opacity="{share:.3f}">{title}</rect>'


def _rectangle(x: float, y: float, width: float, height: float, label: str) -> str:
    place = f'x="{x:.2f}" y="{y:.2f}" width="{max(width, 0):.2f}" height="{height:.2f}"'
    return f'<rect {place} class="bar"><title>{escape(label)}</title></rect>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
