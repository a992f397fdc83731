"""Writes what was measured as one table: Markdown for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.training.evaluation.clicking import REPORTED_CLICKS
from server.training.evaluation.scene_scores import SceneScores
from server.training.evaluation.summary import TARGETS, SummaryRow

MARKDOWN_FILE, JSON_FILE = "report.md", "report.json"
LEGEND = (
    "Mean IoU of the mask ranked first / of the best mask offered, after simulated clicks and for exact boxes. "
    "NoC: clicks needed for IoU 0.80, 0.85 and 0.90, of at most {max_clicks}. Everything-mode: recall of true objects "
    "at IoU 0.5, average recall and precision over IoU 0.5:0.95 (means of windows), and the share of known ground "
    "that belongs to a mask."
)


def render_table(rows: Sequence[SummaryRow], max_clicks: int) -> str:
    """Return the table as Markdown, with the legend above it."""
    clicks = [f"{count} clicks" if count > 1 else "1 click" for count in REPORTED_CLICKS]
    needed = [f"NoC@{round(100 * target)}" for target in TARGETS]
    head = ["Set", "Method", "Images", "Objects", *clicks, "Box", *needed, "Recall", "AR", "AP", "Coverage"]
    lines = [_line(head), _line(["---"] * 2 + ["---:"] * (len(head) - 2))]
    lines += [_line(_cells(row)) for row in rows]
    return LEGEND.format(max_clicks=max_clicks) + "\n\n" + "\n".join(lines) + "\n"


def write_report(
    folder: Path,
    rows: Sequence[SummaryRow],
    scores: Sequence[SceneScores],
    settings: dict[str, Any],
    messages: Sequence[str],
) -> str:
    """Write `report.md` and `report.json` and return the Markdown.

    Args:
        folder: exists.
        rows: of the table.
        scores: of all scenes; JSON keeps them, so that every mean can be made again.
        settings: how it was measured.
        messages: what was done to the data.
    """
    table = render_table(rows, settings["max_clicks"])
    described = ", ".join(f"{name} {_tell(value)}" for name, value in settings.items())
    notes = "".join(f"- {message}\n" for message in messages)
    text = f"# Evaluation of {settings['checkpoint']}\n\n{table}\nMeasured with: {described}.\n"
    (folder / MARKDOWN_FILE).write_text(text + (f"\n{notes}" if notes else ""), encoding="utf-8")
    content = {
        "settings": settings,
        "messages": list(messages),
        "rows": [dataclasses.asdict(row) for row in rows],
        "scenes": [item.to_json() for item in scores],
    }
    (folder / JSON_FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return table


def _cells(row: SummaryRow) -> list[str]:
    pairs = [
        f"{first:.3f} / {best:.3f}" if first is not None and best is not None else ""
        for first, best in zip(row.first, row.best, strict=True)
    ]
    needed = [f"{value:.1f}" for value in row.clicks_needed] if row.clicks_needed else [""] * len(TARGETS)
    shares = [row.recall50, row.average_recall, row.average_precision, row.coverage]
    texts = ["" if value is None else f"{value:.3f}" for value in (row.box, *shares)]
    return [row.set_title, row.method, str(row.n_images), str(row.n_objects), *pairs, texts[0], *needed, *texts[1:]]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _tell(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
