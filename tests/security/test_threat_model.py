"""Every line of the threat model names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.serving import REPOSITORY

NAME = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
# What no version of the table may lack.
REQUIRED = (
    "fixation", "theft", "request forgery", "scripting", "clickjacking", "traversal", "symlinks", "GDAL drivers",
    "/vsi", "decompression bombs", "pixel bombs", "slow uploads", "huge JSON", "heads", "X-Forwarded-For",
    "quota races", "full disk", "memory", "checkpoints", "digests",
)  # fmt: skip


def threats() -> list[str]:
    text = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    table = text.split("## Threats")[1].split("\n## ")[0]
    return [line for line in table.splitlines() if line.startswith("| ")][1:]


@cache
def functions_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_line_has_three_columns_and_names_existing_tests():
    lines = threats()
    assert len(lines) > 40
    for line in lines:
        columns = [part.strip() for part in line.strip("|").split("|")]
        assert len(columns) == 3, line
        assert all(columns), line
        named = NAME.findall(columns[2])
        assert named, f"no test: {line}"
        for file, function in named:
            assert function in functions_of(REPOSITORY / file), f"{file} has no {function}"


def test_every_threat_that_was_asked_for_is_there():
    text = "\n".join(threats())
    assert [word for word in REQUIRED if word not in text] == []
