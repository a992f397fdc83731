"""Decodes boxes on the embedded network with no more of the image than lies around them.

The decoder looks at every position of the embedding for every prompt. A small object needs a part of them: the part
around it is a quarter of the work, and the network was trained on images of that size. Masks are not those of the whole
image to the pixel, but as good; see docs/building_datasets.md for both.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from server.segmentation.networks.embedded.mask_decoder import N_MASKS, ImageShare, MaskDecoder
from server.segmentation.networks.embedded.prompt_encoder import MASK_STRIDE, STRIDE, PromptEncoder, PromptMaps

# Side of the surroundings, and the longest box that is asked in them, both in pixels of the network's input.
SIDE_PX, LONGEST_BOX_PX = 256, 96
# Surroundings start where the cells of the decoder's coarsest grid, of 32 pixels, do.
STEP_PX = 32
# What counts as "no mask here"; finite, so that it can be mixed with its neighbours.
NOWHERE = -100.0
# Activations of so few surroundings stay near a processor's caches.
PROMPTS_ON_CPU = 8


@dataclass(frozen=True)
class PromptTensors:
    """B prompts in pixels of the network's input; at least one part is not None.

    Attributes:
        points: clicks (B, 1, 2) and their labels (B, 1).
        boxes: (B, 4), x0, y0, x1, y1.
        masks: logits (B, 1, S, S) of the low-resolution masks' size.
    """

    points: tuple[torch.Tensor, torch.Tensor] | None
    boxes: torch.Tensor | None
    masks: torch.Tensor | None

    def __len__(self) -> int:
        given = (self.boxes, self.masks, None if self.points is None else self.points[0])
        return next(len(part) for part in given if part is not None)

    def leave_doubt(self) -> torch.Tensor:
        """Return bool (B,): as `PromptMaps.leave_doubt`, of prompts that are not drawn yet."""
        if self.boxes is not None or self.points is None:
            return torch.full((len(self),), self.boxes is None)
        return (self.points[1] != 0).all(dim=1)

    def select(self, rows: torch.Tensor) -> PromptTensors:
        """Return the prompts `rows`, int64 (K,)."""
        points = None if self.points is None else (self.points[0][rows], self.points[1][rows])
        return PromptTensors(
            points,
            None if self.boxes is None else self.boxes[rows],
            None if self.masks is None else self.masks[rows],
        )


class SurroundingsDecoder:
    """Knows one image."""

    def __init__(
        self, decoder: MaskDecoder, prompt_encoder: PromptEncoder, shared: ImageShare, embedding: torch.Tensor
    ) -> None:
        """Prepare.

        Args:
            decoder: of the network.
            prompt_encoder: of the network.
            shared: what the decoder made of the image for all prompts.
            embedding: of the image, (1, 256, S/8, S/8).
        """
        self._decoder, self._shared, self._embedding = decoder, shared, embedding
        self._prompts = copy.copy(prompt_encoder)  # the same weights on a smaller grid
        self._prompts.input_size = SIDE_PX
        self._input_px = embedding.shape[-1] * STRIDE

    def find_small(self, boxes: torch.Tensor) -> torch.Tensor:
        """Return bool (B,): which boxes, (B, 4), their surroundings are enough for."""
        longest = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1)
        return (longest <= LONGEST_BOX_PX) & (self._input_px > SIDE_PX)

    def decode(self, prompts: PromptTensors, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B, 3, S/2, S/2), `NOWHERE` outside of the surroundings, and predicted IoU (B, 3).

        Args:
            prompts: B of them.
            boxes: (B, 4), what the surroundings are around.
        """
        n_at_once = PROMPTS_ON_CPU if boxes.device.type == "cpu" else len(boxes)
        answers = []
        for rows in torch.split(torch.arange(len(boxes), device=boxes.device), n_at_once):
            answers.append(self._decode(prompts.select(rows), self._place(boxes[rows])))
        logits, quality = zip(*answers, strict=True)
        return torch.cat(logits), torch.cat(quality)

    def _place(self, boxes: torch.Tensor) -> torch.Tensor:
        """Return x and y, int64 (B, 2), where the surroundings of boxes start in pixels of the input."""
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        starts = torch.round((middles - SIDE_PX / 2) / STEP_PX).long() * STEP_PX
        return starts.clamp(0, self._input_px - SIDE_PX)

    def _decode(self, prompts: PromptTensors, starts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        places: list[tuple[int, int]] = [(x, y) for x, y in starts.tolist()]
        _, dense = self._prompts(*self._move(prompts, starts, places))
        shared = ImageShare(*(_cut(part.expand(len(places), *part.shape[1:]), places, STRIDE) for part in self._shared))
        quality, features = self._decoder.rate_shared(shared, PromptMaps.split(dense))
        embeddings = _cut(self._embedding.expand(len(places), -1, -1, -1), places, STRIDE)
        side = self._input_px // MASK_STRIDE
        logits = features.new_full((len(places), N_MASKS, side, side), NOWHERE)
        drawn = self._decoder.draw(embeddings, features)
        for whole, part, place in zip(logits, drawn, places, strict=True):
            _part_of(whole, place, MASK_STRIDE).copy_(part)
        return logits, quality

    def _move(
        self, prompts: PromptTensors, starts: torch.Tensor, places: Iterable[tuple[int, int]]
    ) -> tuple[tuple[torch.Tensor, torch.Tensor] | None, torch.Tensor | None, torch.Tensor | None]:
        """Return points, boxes and masks as they lie in their surroundings."""
        points, boxes, masks = prompts.points, prompts.boxes, prompts.masks
        return (
            None if points is None else (points[0] - starts[:, None], points[1]),
            None if boxes is None else boxes - starts.repeat(1, 2),
            None if masks is None else _cut(masks, places, MASK_STRIDE),
        )


def _cut(maps: torch.Tensor, places: Iterable[tuple[int, int]], stride: int) -> torch.Tensor:
    """Return the surroundings (B, ..., s, s) out of maps (B, ..., S, S) of a stride."""
    return torch.stack([_part_of(whole, place, stride) for whole, place in zip(maps, places, strict=True)])


def _part_of(whole: torch.Tensor, place: tuple[int, int], stride: int) -> torch.Tensor:
    """Return a view of the surroundings that start at a place, in pixels of the input."""
    (col, row), side = (start // stride for start in place), SIDE_PX // stride
    return whole[..., row : row + side, col : col + side]
