"""The prompt encoder: draws clicks, boxes and an earlier mask as maps, which a small network learns from quickly."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from server.segmentation.networks.embedded.layers import project

# Maps are drawn on the encoder's grid.
STRIDE = 8
# Earlier masks come in at half the input's resolution.
MASK_STRIDE = 2
# Spreads of a click's bells, in cells of the grid: exactly here, about here, in this part of the image.
SPREADS = (0.5, 1.5, 6.0)
# Logits beyond this are equally certain.
LOGIT_SCALE = 5.0
N_CLICK_MAPS = len(SPREADS) + 2  # the bells, then the offset from the cell's centre along x and y
N_BOX_MAPS = 2  # share of the cell that lies in the box, is there a box
N_MASK_MAPS = (STRIDE // MASK_STRIDE) ** 2 + 1  # the earlier mask folded to the grid, is there a mask
PROMPT_CHANNELS = 64
# The narrow bells inside, those outside and the box follow the embedding: the decoder compares features there.
N_POOLED = 3
DENSE_CHANNELS = PROMPT_CHANNELS + N_POOLED


class PromptMaps(NamedTuple):
    """What the decoder's first stage reads of B prompts.

    Attributes:
        embedded: (B, 64, S/8, S/8).
        pooled: (B, K, S/8, S/8), where clicks inside, clicks outside and the box are; K up to 3, the rest is empty.
    """

    embedded: torch.Tensor
    pooled: torch.Tensor

    @staticmethod
    def split(dense: torch.Tensor) -> PromptMaps:
        """Return the two parts of dense embeddings (B, 67, S/8, S/8)."""
        return PromptMaps(dense[:, :PROMPT_CHANNELS], dense[:, PROMPT_CHANNELS:])

    def leave_doubt(self) -> torch.Tensor:
        """Return bool (B,): whether it has clicks inside alone; a box or a click outside says which extent is meant."""
        said = self.pooled[:, 1:].flatten(1)
        return (said == 0).all(dim=1)


class PromptEncoder(nn.Module):
    """Prompts to dense embeddings (B, 67, S/8, S/8); there are no sparse ones.

    Attributes:
        logit_gain: the decoder's factor on logits, taken back from masks that return as prompts.
    """

    logit_gain: torch.Tensor

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.register_buffer("logit_gain", torch.ones(()))
        self.input_size = input_size
        self.embed = nn.Conv2d(2 * N_CLICK_MAPS + N_BOX_MAPS, PROMPT_CHANNELS, 1)
        # Most prompts bring no mask, and a separate layer costs them nothing.
        self.embed_mask = nn.Conv2d(N_MASK_MAPS, PROMPT_CHANNELS, 1, bias=False)

    @property
    def mask_input_size(self) -> tuple[int, int]:
        """Height and width of the low-resolution masks that go in and come out."""
        return (self.input_size // MASK_STRIDE, self.input_size // MASK_STRIDE)

    def get_dense_pe(self) -> torch.Tensor:
        """Return an empty position encoding (1, 0, S/8, S/8): the maps already tell positions."""
        side = self.input_size // STRIDE
        return self.embed.weight.new_zeros(1, 0, side, side)

    def forward(
        self,
        points: tuple[torch.Tensor, torch.Tensor] | None,
        boxes: torch.Tensor | None,
        masks: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode one prompt per batch entry; nothing at all is one prompt too, that of the class mode.

        Args:
            points: (B, N, 2) x, y in input pixels, and (B, N) labels: 1 inside, 0 outside, -1 none.
            boxes: (B, 4) x0, y0, x1, y1 in input pixels.
            masks: (B, 1, S/2, S/2) logits of an earlier answer.

        Returns:
            Sparse embeddings (B, 0, 64) and dense embeddings (B, 67, S/8, S/8).
        """
        maps = self.draw(points, boxes, masks)
        embedded = self.embed(maps)
        if masks is not None:
            embedded = embedded + self.embed_mask(self._fold(masks))
        inside, outside, box = (maps[:, index] for index in (0, N_CLICK_MAPS, 2 * N_CLICK_MAPS))
        dense = torch.cat([embedded, torch.stack([inside, outside, box], dim=1)], dim=1)
        return dense.new_zeros(len(dense), 0, PROMPT_CHANNELS), dense

    def encode_clicks(self, points: torch.Tensor) -> PromptMaps:
        """Encode one click inside per batch entry and nothing else; the short way to the numbers of `forward`.

        Args:
            points: (B, 2) x, y in input pixels.

        Returns:
            The maps; of the pooled ones only the first, because the others would be empty.
        """
        side = self.input_size // STRIDE
        maps = self.embed.weight.new_empty(len(points), N_CLICK_MAPS, side, side)
        _draw_click(maps, points.to(maps) / STRIDE)
        return PromptMaps(project(self.embed, maps), maps[:, :1])

    def draw(
        self,
        points: tuple[torch.Tensor, torch.Tensor] | None,
        boxes: torch.Tensor | None,
        masks: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the maps (B, 12, S/8, S/8): five of clicks inside, five of clicks outside, two of the box.

        `masks` only tells how many prompts there are where nothing else does; without anything there is one, empty.
        """
        given = [item for item in (boxes, masks, points[0] if points else None) if item is not None]
        n_prompts = len(given[0]) if given else 1
        side = self.input_size // STRIDE
        maps = self.embed.weight.new_zeros(n_prompts, 2 * N_CLICK_MAPS + N_BOX_MAPS, side, side)
        if points is not None:
            cells = points[0].to(maps) / STRIDE
            _draw_clicks(maps[:, :N_CLICK_MAPS], cells, points[1] == 1)
            _draw_clicks(maps[:, N_CLICK_MAPS : 2 * N_CLICK_MAPS], cells, points[1] == 0)
        if boxes is not None:
            maps[:, -2] = _cover(boxes.to(maps).reshape(len(boxes), 4) / STRIDE, side)
            maps[:, -1] = 1.0
        return maps

    def _fold(self, masks: torch.Tensor) -> torch.Tensor:
        certain = torch.tanh(masks.to(self.embed.weight) / (self.logit_gain * LOGIT_SCALE))
        folded = functional.pixel_unshuffle(certain, STRIDE // MASK_STRIDE)
        return torch.cat([folded, torch.ones_like(folded[:, :1])], dim=1)


def _draw_click(maps: torch.Tensor, cells: torch.Tensor) -> None:
    """Fill `maps`, (B, 5, side, side), as `_draw_clicks` does for a single click; `cells` (B, 2) are x, y."""
    away = torch.arange(maps.shape[-1], device=maps.device) + 0.5 - cells[..., None]
    for index, spread in enumerate(SPREADS):
        bell = torch.exp(-(away**2) / (2 * spread**2))
        torch.mul(bell[:, 1, :, None], bell[:, 0, None, :], out=maps[:, index])
    torch.mul(maps[:, 0], away[:, 0, None, :], out=maps[:, len(SPREADS)])
    torch.mul(maps[:, 0], away[:, 1, :, None], out=maps[:, len(SPREADS) + 1])


def _draw_clicks(maps: torch.Tensor, cells: torch.Tensor, is_drawn: torch.Tensor) -> None:
    """Draw clicks into `maps`, (B, 5, side, side); `cells` (B, N, 2) are x, y in cells of the grid."""
    side = maps.shape[-1]
    centres = torch.arange(side, device=maps.device) + 0.5
    away = centres - cells[..., None]
    # Outer products of bells along y and x, one click after the other: N is small, the maps are not.
    for number in range(cells.shape[1]):
        drawn = is_drawn[:, number, None, None]
        for index, spread in enumerate(SPREADS):
            bell = torch.exp(-(away[:, number] ** 2) / (2 * spread**2))
            bells = bell[:, 1, :, None] * bell[:, 0, None, :] * drawn
            torch.maximum(maps[:, index], bells, out=maps[:, index])
            if index == 0:
                nearest = bells >= maps[:, 0]
                for axis in (0, 1):
                    offset = away[:, number, axis, None, :] if axis == 0 else away[:, number, axis, :, None]
                    map_of_axis = maps[:, len(SPREADS) + axis]
                    map_of_axis.copy_(torch.where(nearest, bells * offset, map_of_axis))


def _cover(boxes: torch.Tensor, side: int) -> torch.Tensor:
    """Return (B, side, side): which share of every cell lies in the box; `boxes` (B, 4) x0, y0, x1, y1 in cells."""
    starts = torch.arange(side, device=boxes.device)
    low, high = boxes[:, :2, None], boxes[:, 2:, None]
    along = (torch.minimum(high, starts + 1) - torch.maximum(low, starts)).clamp(min=0)
    return along[:, 1, :, None] * along[:, 0, None, :]
