"""Finds the class of each feature among the attributes of a file that nobody here designed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from server.vectors.exchange.attributes import clean_text

# The most telling names first; "name" is last, because it often names the thing and not its kind.
COLUMNS = (
    "class", "class_name", "classname", "label", "category", "category_name", "type", "kind", "landuse", "name",
)  # fmt: skip
# The values that a class raster has besides its background.
MAX_CLASSES = 255


def find_class_names(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str | None], list[str]]:
    """Return the class of each row, None where it has none, and what has to be said about it."""
    present = {str(name).lower(): name for row in rows for name in row}
    for column in COLUMNS:
        if column not in present:
            continue
        names = [_read_name(row.get(present[column])) for row in rows]
        n_classes = len(set(names) - {None})
        if n_classes > MAX_CLASSES:
            note = (
                f'The column "{present[column]}" has {n_classes:,} different values; a layer has at most {MAX_CLASSES} '
                "classes, so the objects have none."
            )
            return [None] * len(rows), [note]
        if n_classes:
            return names, [f'Classes come from the column "{present[column]}".']
    return [None] * len(rows), []


def _read_name(value: Any) -> str | None:
    """Return text or a number as the name of a class, None for anything else."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return clean_text(str(value)) or None
