"""Turns what stands in a label file into numbers and classes, and says file and line where it cannot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from server.datasets.errors import BadDataset
from server.datasets.scenes import list_names

# Label files are kilobytes; something of this size is another kind of file and would fill the memory.
MAX_LABEL_BYTES = 64 * 2**20


def read_text(path: Path) -> str:
    """Return the text of a label file.

    Raises:
        BadDataset: it is absent, too large or not text in UTF-8.
    """
    try:
        n_bytes = path.stat().st_size
        if n_bytes > MAX_LABEL_BYTES:
            raise BadDataset(
                f"{path.name} has {n_bytes} bytes, more than the {MAX_LABEL_BYTES} a label file may have; split it, or "
                "check that it is the right file.",
                "boxes",
            )
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataset(f"{path} cannot be read as text in UTF-8 ({error}).", "boxes") from error


def read_numbers(words: Sequence[str], source: str) -> list[float]:
    """Return finite numbers.

    Args:
        words: as written.
        source: file and line, for the message.

    Raises:
        BadDataset: one of them is no finite number.
    """
    numbers = []
    for word in words:
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise BadDataset(f'{source}: "{word[:40]}" stands where a number is expected; correct it.', "boxes")
        numbers.append(number)
    return numbers


def require_class(name: str, known: Sequence[str] | None, source: str) -> str:
    """Return a class name without blanks around it.

    Args:
        name: as written.
        known: the classes of the list that was given; None where none was, then every name is a class.
        source: file and line, for the message.

    Raises:
        BadDataset: it is empty or not in the list.
    """
    bare = name.strip()
    if not bare:
        raise BadDataset(f"{source}: the class is missing; name one for every object.", "boxes")
    if known is not None and bare not in known:
        raise BadDataset(
            f'{source}: the class "{bare[:60]}" is not among {list_names(known)}; correct it, or add it to the list '
            "of classes.",
            "classes",
        )
    return bare
