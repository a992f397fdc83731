"""Reads the list of classes: names line by line, a class table, or what YOLO's own files hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

from server.datasets.class_table import read_class_table
from server.datasets.detections.numbers import read_text
from server.datasets.errors import BadDataset

# 255 is "unlabelled" in class rasters, and classes are counted from 0.
MAX_CLASSES = 255
NAMES_ENTRY = re.compile(r"^\s*(?:(\d+)\s*:|-)\s*(.+?)\s*$")


def read_class_list(path: Path) -> tuple[str, ...]:
    """Return class names in their order.

    Args:
        path: text with a name on every line; JSON with a list of names or a class table; or YOLO's data.yaml, whose
            "names" may be a list or numbers with names.

    Raises:
        BadDataset: it holds no names, a name twice, or too many.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        names = _read_json(path)
    elif suffix in (".yaml", ".yml"):
        names = _read_yaml(path)
    else:
        names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice or len(names) > MAX_CLASSES:
        found = f'"{twice[0]}" twice' if twice else f"{len(names)} names"
        raise BadDataset(
            f"{path.name} holds {found}; a list of classes has 1 to {MAX_CLASSES} different names.", "classes"
        )
    return tuple(names)


def _read_json(path: Path) -> list[str]:
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise BadDataset(f"{path.name} cannot be read as JSON ({error}).", "classes") from error
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return list(content)
    return list(read_class_table(path).class_names)


def _read_yaml(path: Path) -> list[str]:
    """Return the entry "names" of YOLO's data.yaml: in brackets, as a list below, or as numbers with names below."""
    lines = [line.split(" #")[0].rstrip() for line in read_text(path).splitlines()]
    starts = [index for index, line in enumerate(lines) if re.match(r"names\s*:", line)]
    if not starts:
        raise BadDataset(f'{path.name} has no entry "names"; expected that of YOLO\'s data.yaml.', "classes")
    inline = lines[starts[0]].partition(":")[2].strip()
    if inline:
        return [_unquote(name) for name in inline.strip("[]").split(",") if name.strip()]
    entries: list[tuple[int, str]] = []
    for line in lines[starts[0] + 1 :]:
        match = NAMES_ENTRY.match(line)
        if match is None:
            break
        entries.append((int(match.group(1) or len(entries)), _unquote(match.group(2))))
    return [name for _, name in sorted(entries)]


def _unquote(text: str) -> str:
    return text.strip().strip("'\"")
