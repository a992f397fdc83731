"""Which mask value or colour means which class: the table people keep beside their masks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.datasets.errors import BadDataset
from server.datasets.scenes import NOTHING, UNKNOWN, Labels

Role = Literal["class", "background", "ignore"]
EXAMPLE = '[{"name": "road", "colour": "#6EC1E4"}, {"name": "unlabelled", "value": 0, "ignore": true}]'
# What masks that were saved as black-and-white pictures hold.
BINARY_VALUES = {0, 255}
MAX_VALUES_TOLD = 12


@dataclass(frozen=True)
class ClassEntry:
    """One row of a class table.

    Attributes:
        name: of the class.
        code: mask value, or colour as 65536 * red + 256 * green + blue.
        role: "background" for pixels of none of the classes, "ignore" where nobody knows.
    """

    name: str
    code: int
    role: Role = "class"


@dataclass(frozen=True)
class ClassTable:
    """What masks mean.

    Attributes:
        entries: rows; several rows of one name make one class.
        is_coloured: codes are colours, otherwise values.
    """

    entries: tuple[ClassEntry, ...]
    is_coloured: bool

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the table, without background and ignored ones."""
        return tuple(dict.fromkeys(entry.name for entry in self.entries if entry.role == "class"))

    def to_classes(self, codes: NDArray[np.int64], source: str) -> Labels:
        """Translate mask values or colours into classes.

        Args:
            codes: int64, any shape.
            source: name of the mask, for messages.

        Returns:
            int32, the same shape: 1 for the first of `class_names`, 0 for background, -1 for ignored. Where values, not
            colours, are used, 0 means background unless the table says otherwise.

        Raises:
            BadDataset: the mask holds values that the table misses.
        """
        meanings = self._meanings()
        classes = np.zeros(codes.shape, np.int32)
        is_explained = np.zeros(codes.shape, np.bool_)
        for code, meaning in meanings.items():  # a few comparisons take less time than sorting all pixels
            where = codes == code
            classes[where] = meaning
            is_explained |= where
        if not is_explained.all():
            found, missing = np.unique(codes).tolist(), np.unique(codes[~is_explained]).tolist()
            raise BadDataset(self._complain(source, found, missing, sorted(meanings)), "classes")
        return classes

    def _meanings(self) -> dict[int, int]:
        numbers = {name: number for number, name in enumerate(self.class_names, start=1)}
        meanings = {} if self.is_coloured else {0: NOTHING}
        special = {"background": NOTHING, "ignore": UNKNOWN}
        return meanings | {
            entry.code: special[entry.role] if entry.role in special else numbers[entry.name] for entry in self.entries
        }

    def _complain(self, source: str, found: list[int], missing: list[int], known: list[int]) -> str:
        if not self.is_coloured and set(found) <= BINARY_VALUES and 255 in missing:
            return (
                f"{source} looks like a 0/255 black-and-white mask, but the class table declares "
                f"{self._tell(known)}; divide the mask by 255, or declare the value 255."
            )
        kind = "colours" if self.is_coloured else "values"
        advice = " A JPEG changes colours; save masks as PNG." if self.is_coloured and len(missing) > 50 else ""
        return (
            f"{source} holds {len(missing)} {kind} that the class table misses: {self._tell(missing)}; found "
            f'{self._tell(found)}. Add them to the table, with "ignore": true where they mean nothing.{advice}'
        )

    def _tell(self, codes: Sequence[int]) -> str:
        told = ", ".join(f"#{code:06X}" if self.is_coloured else str(code) for code in codes[:MAX_VALUES_TOLD])
        return f"{told} and {len(codes) - MAX_VALUES_TOLD} more" if len(codes) > MAX_VALUES_TOLD else told


def read_class_table(path: Path) -> ClassTable:
    """Read a table from JSON: a list of objects with "name", "value" or "colour", and "ignore" or "background".

    Raises:
        BadDataset: the file is not such a table.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadDataset(f"{path} cannot be read as a class table ({error}); expected {EXAMPLE}.", "classes") from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise BadDataset(f"{path} is not a list of classes; expected {EXAMPLE}.", "classes")
    return make_class_table(rows)


def make_class_table(rows: Sequence[dict[str, object]]) -> ClassTable:
    """Return a table from rows as they stand in its file.

    Raises:
        BadDataset: a row is incomplete, two rows share a code, or values and colours are mixed.
    """
    are_coloured = {"colour" in row for row in rows}
    if len(are_coloured) > 1:
        raise BadDataset("The class table mixes values and colours; give every class one of the two.", "classes")
    is_coloured = are_coloured.pop()
    entries = tuple(_read_entry(row, is_coloured) for row in rows)
    codes = [entry.code for entry in entries]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise BadDataset(f"The class table names {twice} twice; each value or colour means one class.", "classes")
    if not any(entry.role == "class" for entry in entries):
        raise BadDataset("The class table holds no class, only background or ignored values; add one.", "classes")
    return ClassTable(entries, is_coloured)


def _read_entry(row: dict[str, object], is_coloured: bool) -> ClassEntry:
    name = row.get("name")
    code = _read_colour(row.get("colour")) if is_coloured else row.get("value")
    if not isinstance(name, str) or not isinstance(code, int) or isinstance(code, bool):
        raise BadDataset(
            f'Row {json.dumps(row)} of the class table needs a "name" and an integer "value" or a "colour" such as '
            '"#6EC1E4" or [110, 193, 228].',
            "classes",
        )
    role: Role = "ignore" if row.get("ignore") else "background" if row.get("background") else "class"
    return ClassEntry(name, code, role)


def _read_colour(value: object) -> int | None:
    """Return a colour as one number, None where it is none."""
    if isinstance(value, str) and re.fullmatch(r"#?[0-9a-fA-F]{6}", value):
        return int(value.removeprefix("#"), 16)
    if isinstance(value, list) and len(value) == 3 and all(type(part) is int and 0 <= part <= 255 for part in value):
        red, green, blue = value
        return int(65536 * red + 256 * green + blue)
    return None
