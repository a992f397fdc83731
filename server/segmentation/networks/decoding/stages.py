"""What the mask generator asks of a network's decoder: rate all clicks first, draw only the promising ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

N_MASKS = 3


@dataclass(frozen=True)
class RatedClicks:
    """What the first stage knows about a batch of B clicks.

    Attributes:
        quality: float32 (B, 3), predicted IoU of each of the three masks, 0..1.
        features: what the second stage needs, first dimensions B; only the decoder that made it can read it.
    """

    quality: torch.Tensor
    features: tuple[torch.Tensor, ...]

    def select(self, rows: torch.Tensor) -> RatedClicks:
        """Return the clicks `rows`, int64 (K,) in ascending order without repetition."""
        if len(rows) == len(self.quality):
            return self  # all of them: the features are megabytes per click, so they are not copied
        return RatedClicks(self.quality[rows], tuple(item[rows] for item in self.features))


class StagedDecoder(Protocol):
    """Decodes single positive clicks on one image; the numbers are those of the network's plain one-call decoder."""

    def start(self, image_embedding: torch.Tensor) -> None:
        """Take a new image: (1, C, h, w) as the image encoder returns it; what all its clicks share is computed."""
        ...

    def rate(self, points: torch.Tensor) -> RatedClicks:
        """Return the first stage's answer to `points`, float32 (B, 2), x and y in pixels of the network's input."""
        ...

    def draw(self, rated: RatedClicks) -> torch.Tensor:
        """Return the low-resolution logits (B, 3, side, side) of all three masks of every click in `rated`."""
        ...
