"""What many prompts on one patch are, and who answers them; free of torch, so that tests can do without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.segmentation.mask_records import MaskRecord

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PromptBatch:
    """B prompts of one kind, all in pixels of the patch; at least one of the first three is not None.

    Attributes:
        boxes_xyxy: float64 (B, 4); None without boxes.
        points_xy: float64 (B, 2), a click inside of every object; None without clicks.
        filled: float64 (B, 4, 2), corners of quadrilaterals, clockwise on the screen, that are handed over as masks,
            filled; None without masks.
        places_xy: float64 (B, 2), told as the click of every mask that is found.
    """

    boxes_xyxy: Floats | None
    points_xy: Floats | None
    filled: Floats | None
    places_xy: Floats

    def __len__(self) -> int:
        return len(self.places_xy)

    def cut(self, start: int, stop: int) -> PromptBatch:
        """Return the prompts `start` to `stop` - 1."""
        boxes, points, filled = (
            None if part is None else part[start:stop] for part in (self.boxes_xyxy, self.points_xy, self.filled)
        )
        return PromptBatch(boxes, points, filled, self.places_xy[start:stop])


class BatchNetwork(Protocol):
    """What answers many prompts on a patch.

    Attributes:
        input_size: side in pixels of the square that the network sees without resampling.
    """

    input_size: int

    def answer(self, rgb: NDArray[np.uint8], prompts: PromptBatch, *, multimask: bool) -> list[list[MaskRecord]]:
        """Return the candidates of every prompt.

        Args:
            rgb: uint8 (H, W, 3), H and W at most `input_size`.
            prompts: on it.
            multimask: several masks of different extent; False for one.

        Returns:
            B lists, in the order of the network's masks; those without pixels are left out.
        """
        ...
