"""Keeps what was measured line by line, so that an interrupted evaluation is taken up where it ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from server.errors import BadParameter
from server.training.evaluation.scene_scores import SceneScores

RECORDS_FILE = "scenes.jsonl"


class ScoreRecords:
    """The scores of one evaluation in `scenes.jsonl` of a folder; the first line says how they were measured."""

    def __init__(self, folder: Path | None, settings: dict[str, Any]) -> None:
        """Open or begin the records of `folder`.

        Args:
            folder: made where it does not exist; None keeps scores in memory alone.
            settings: what must be the same for scores to be comparable, as plain JSON values.

        Raises:
            BadParameter: the folder holds scores that were measured otherwise.
        """
        self.scores: list[SceneScores] = []
        self._path = None if folder is None else folder / RECORDS_FILE
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self.scores = _take_up(self._path, settings)

    def has(self, set_title: str, scene: str) -> bool:
        """Tell whether a scene has been measured."""
        return any(item.set_title == set_title and item.scene == scene for item in self.scores)

    def add(self, scores: SceneScores) -> None:
        """Append the scores of one scene."""
        self.scores.append(scores)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(scores.to_json()) + "\n")


def _take_up(path: Path, settings: dict[str, Any]) -> list[SceneScores]:
    """Return the scores in a file, which is made where it does not exist."""
    lines = _read_lines(path) or [{"settings": settings}]
    found = lines[0].get("settings")
    if found != settings:
        raise BadParameter(
            f"{path} holds scores that were measured otherwise ({json.dumps(found)}); choose another folder, or remove "
            "the file.",
            "out",
        )
    # Written anew, because a crash may have cut off the last line.
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return [SceneScores.from_json(line) for line in lines[1:]]


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a file, none where it is absent."""
    lines: list[dict[str, Any]] = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines
