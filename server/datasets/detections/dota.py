"""DOTA's text files: four corners in pixels, class and difficulty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from server.datasets.detections.numbers import read_numbers, read_text, require_class
from server.datasets.detections.records import Detection, order_corners
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage

N_CORNER_NUMBERS = 8
# Lines at the top that are no objects.
HEADER_STARTS = ("imagesource", "gsd")


def parse_dota(path: Path, image: SceneImage, classes: Sequence[str] | None) -> Iterator[Detection]:
    """Yield boxes from rows x1 y1 x2 y2 x3 y3 x4 y4 class difficult, in pixels; `difficult` may be missing.

    Raises:
        BadDataset: a row is something else, or a class is not in the list.
    """
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        if not words or words[0].lower().startswith(HEADER_STARTS):
            continue
        source = f"{path.name}, line {number}"
        if len(words) not in (N_CORNER_NUMBERS + 1, N_CORNER_NUMBERS + 2):
            raise BadDataset(
                f"{source} has {len(words)} columns; DOTA's have eight numbers, x and y of four corners, the class "
                "without blanks, and 0 or 1 for difficult.",
                "boxes",
            )
        corners = order_corners(np.reshape(read_numbers(words[:N_CORNER_NUMBERS], source), (4, 2)))
        name = require_class(words[N_CORNER_NUMBERS], classes, source)
        yield Detection(image.name, name, corners, _is_difficult(words[N_CORNER_NUMBERS + 1 :], source), source)


def _is_difficult(words: list[str], source: str) -> bool:
    if words and words[0] not in ("0", "1", "2"):
        raise BadDataset(f'{source}: difficult is "{words[0][:40]}"; expected 0 or 1.', "boxes")
    # FAIR1M in DOTA's form and some evaluation servers write 2 for objects that count for nothing.
    return bool(words) and words[0] != "0"
