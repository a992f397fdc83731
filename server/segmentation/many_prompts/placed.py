"""Prompts that each mean one object: checked, in pixels of the raster, and in a form that a stored job can keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from server.errors import BadParameter
from server.segmentation.prompting.prompts import Extent, GivenPrompts, Prompts, Space, read_prompts
from server.vectors.placement import Placement

# Some minutes of a job, and half a megabyte of its record.
MAX_PROMPTS = 5000
FIELD = "prompts"
_N_POINT_NUMBERS = 2
_N_BOX_NUMBERS = 4


@dataclass(frozen=True)
class GivenPrompt:
    """One prompt as it came with a request.

    Attributes:
        place: x, y of a point inside the object, or x0, y0, x1, y1 of a box around it.
        class_name: of the object; None for none.
    """

    place: Sequence[float]
    class_name: str | None = None


@dataclass(frozen=True)
class PlacedPrompt:
    """One prompt in pixels of the raster.

    Attributes:
        place: x, y of a point inside the object, or x0, y0, x1, y1 of a box around it.
        class_name: of the object; None for none.
    """

    place: tuple[float, ...]
    class_name: str | None = None

    @property
    def point_xy(self) -> tuple[float, float] | None:
        """The point; None for a box."""
        return None if len(self.place) == _N_BOX_NUMBERS else (self.place[0], self.place[1])

    @property
    def prompts(self) -> Prompts:
        """The same as the network is asked."""
        if self.point_xy is None:
            return Prompts(np.zeros((0, 2)), np.zeros(0, np.int64), Extent(*self.place))
        return Prompts(np.array([self.point_xy]), np.ones(1, np.int64), None)

    def to_json(self) -> dict[str, Any]:
        """Return what a stored job keeps."""
        return {"place": list(self.place), "class": self.class_name}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return what `to_json` was made of."""
        return cls(tuple(stored["place"]), stored["class"])


def place_prompts(
    given: Sequence[GivenPrompt], space: Space, placement: Placement, size: tuple[int, int], field: str = FIELD
) -> list[PlacedPrompt]:
    """Check prompts and carry them into pixels of a raster; boxes are cut where it ends.

    Args:
        given: as they came.
        space: see `GivenPrompts`.
        placement: where the raster lies.
        size: its width and height in pixels.
        field: of the request that brought them, for the sentence.

    Raises:
        BadParameter: there is none, there are too many, or one is not on the raster or has no extent; says which one,
            counted from 0.
    """
    if not 0 < len(given) <= MAX_PROMPTS:
        raise BadParameter(f"{len(given):,} prompts were given; expected 1 to {MAX_PROMPTS:,} at a time.", field)
    placed = []
    for index, prompt in enumerate(given):
        try:
            place = _read(prompt.place, space, placement, size)
        except BadParameter as error:
            raise BadParameter(f"{FIELD}[{index}]: {error.message}", field) from error
        placed.append(PlacedPrompt(place, prompt.class_name))
    return placed


def _read(place: Sequence[float], space: Space, placement: Placement, size: tuple[int, int]) -> tuple[float, ...]:
    if len(place) == _N_POINT_NUMBERS:
        found = read_prompts(GivenPrompts([[*place, 1]], None, space), placement, size, refines=False)
        return tuple(found.points_xy[0].tolist())
    return tuple(read_prompts(GivenPrompts([], place, space), placement, size, refines=False).extent)
