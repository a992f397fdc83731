"""What a network answers to prompts, and what it is asked; free of torch, so that tests and routes can do without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.segmentation.prompting.prompts import Prompts

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class RatedMask:
    """One candidate.

    Attributes:
        mask: bool (rows, columns) of the patch.
        predicted_iou: the network's own rating, 0..1.
        logits: float32 (S, S) for the square input, from which the mask was cut; may be given back as a prompt.
    """

    mask: NDArray[np.bool_]
    predicted_iou: float
    logits: Logits


class PromptedNetwork(Protocol):
    """What answers prompts on a patch.

    Attributes:
        input_size: side in pixels of the square that the network sees without resampling.
        low_side: side of the square logits.
        mask_threshold: logits above it belong to the mask.
    """

    input_size: int
    low_side: int
    mask_threshold: float

    def ask(
        self, rgb: NDArray[np.uint8], prompts: Prompts, earlier: Logits | None, *, multimask: bool
    ) -> list[RatedMask]:
        """Return the masks of `prompts`, which are in pixels of the patch.

        Args:
            rgb: uint8 (H, W, 3), H and W at most `input_size`.
            prompts: at least one.
            earlier: logits of the mask to be corrected; None for a new one.
            multimask: three masks of different extent; False leaves that to the network, which may have a mask of its
                own for prompts that are not ambiguous.
        """
        ...
