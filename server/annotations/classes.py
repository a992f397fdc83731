"""The class table of a layer: checked, extended by what objects are called, and kept as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from server.errors import BadParameter
from server.rasters.colours import colours_of
from server.vectors.annotated import ObjectClass

# A class raster has one byte per pixel, and 0 means no class.
MAX_CLASSES = 255
MAX_NAME_LENGTH = 100
# Told apart on imagery, and from each other with the common kinds of colour blindness; the page offers the same.
COLORS = ("#56b4e9", "#e69f00", "#00b98a", "#f0e442", "#cc79a7", "#ff7043", "#9f8cff")
COLOR = re.compile(r"#[0-9a-f]{6}")


def clean_class_name(name: str) -> str:
    """Return a name without surrounding blanks and invisible characters.

    Raises:
        BadParameter: nothing is left of it, or it is too long.
    """
    cleaned = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
    if not 0 < len(cleaned) <= MAX_NAME_LENGTH:
        raise BadParameter(
            f"A class name has {len(cleaned)} visible characters; expected 1 to {MAX_NAME_LENGTH}.", "class"
        )
    return cleaned


def check_classes(classes: Iterable[ObjectClass]) -> list[ObjectClass]:
    """Return a class table with clean names and colours, by id.

    Raises:
        BadParameter: an id, a name or a colour is none, or appears twice where it must not.
    """
    table = [ObjectClass(row.id, clean_class_name(row.name), row.color.lower()) for row in classes]
    for row in table:
        if not 1 <= row.id <= MAX_CLASSES:
            raise BadParameter(f'Class "{row.name}" has the id {row.id}; expected 1 to {MAX_CLASSES}.', "classes")
        if not COLOR.fullmatch(row.color):
            raise BadParameter(
                f'Class "{row.name}" has the colour "{row.color[:20]}"; expected one like "#1f77b4".',
                "classes",
            )
    for what in ("id", "name"):
        (repeated, n_times), *_ = Counter(getattr(row, what) for row in table).most_common(1) or [("", 0)]
        if n_times > 1:
            raise BadParameter(f'{n_times} classes have the {what} "{repeated}"; give each its own.', "classes")
    return sorted(table, key=lambda row: row.id)


def extend_classes(table: Sequence[ObjectClass], names: Iterable[str]) -> list[ObjectClass]:
    """Return the table with a row for every name; new ones get the lowest free ids and colours.

    Raises:
        BadParameter: there would be too many classes.
    """
    known = {row.name for row in table}
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if len(table) + len(missing) > MAX_CLASSES:
        raise BadParameter(
            f"There would be {len(table) + len(missing)} classes; at most {MAX_CLASSES} are possible. "
            "Use fewer class names, or remove classes that are not needed.",
            "class",
        )
    extended = list(table)
    for name in missing:
        extended.append(_make_class(name, extended))
    return sorted(extended, key=lambda row: row.id)


def to_json(table: Sequence[ObjectClass]) -> list[dict[str, Any]]:
    """Return a class table as it is stored."""
    return [asdict(row) for row in table]


def from_json(rows: Iterable[dict[str, Any]]) -> list[ObjectClass]:
    """Return a stored class table."""
    return [ObjectClass(**row) for row in rows]


def _make_class(name: str, table: Sequence[ObjectClass]) -> ObjectClass:
    """Return a row with the lowest free id, and a colour that is not taken while there is one."""
    ids, colors = {row.id for row in table}, {row.color for row in table}
    number = next(number for number in range(1, MAX_CLASSES + 1) if number not in ids)
    free = next((color for color in COLORS if color not in colors), None)
    return ObjectClass(number, name, free or f"#{bytes(colours_of(np.array(number))).hex()}")
