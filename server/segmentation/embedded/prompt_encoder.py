"""The prompt encoder: draws clicks, boxes and an earlier mask as maps, which a small network learns from quickly."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

# Maps are drawn at half the input's resolution.
MAP_STRIDE = 2
# Spread of a click, in map pixels: wide enough to survive pooling to stride 8, narrow enough to tell neighbours apart.
CLICK_SIGMA_PX = 2.0
# Logits beyond this are equally certain.
LOGIT_SCALE = 5.0
N_MAPS = 6  # inside clicks, outside clicks, box, is there a box, earlier mask, is there a mask
PROMPT_CHANNELS = 64
# Inside clicks, outside clicks and box, pooled to stride 8, follow the embedding: the decoder compares features there.
N_POOLED = 3
DENSE_CHANNELS = PROMPT_CHANNELS + N_POOLED


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
        unshuffled = N_MAPS * (8 // MAP_STRIDE) ** 2
        first = nn.Conv2d(unshuffled, PROMPT_CHANNELS, 1)
        self.embed = nn.Sequential(first, nn.GELU(), nn.Conv2d(PROMPT_CHANNELS, PROMPT_CHANNELS, 1))

    @property
    def mask_input_size(self) -> tuple[int, int]:
        """Height and width of the low-resolution masks that go in and come out."""
        return (self.input_size // MAP_STRIDE, self.input_size // MAP_STRIDE)

    def get_dense_pe(self) -> torch.Tensor:
        """Return an empty position encoding (1, 0, S/8, S/8): the maps already tell positions."""
        side = self.input_size // 8
        return torch.zeros(1, 0, side, side, device=self._device())

    def forward(
        self,
        points: tuple[torch.Tensor, torch.Tensor] | None,
        boxes: torch.Tensor | None,
        masks: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode one prompt per batch entry.

        Args:
            points: (B, N, 2) x, y in input pixels, and (B, N) labels: 1 inside, 0 outside, -1 none.
            boxes: (B, 4) x0, y0, x1, y1 in input pixels.
            masks: (B, 1, S/2, S/2) logits of an earlier answer.

        Returns:
            Sparse embeddings (B, 0, 64) and dense embeddings (B, 67, S/8, S/8).
        """
        maps = self.draw(points, boxes, masks)
        pooled = functional.avg_pool2d(maps[:, :N_POOLED], 8 // MAP_STRIDE)
        dense = torch.cat([self.embed(functional.pixel_unshuffle(maps, 8 // MAP_STRIDE)), pooled], dim=1)
        return dense.new_zeros(len(dense), 0, PROMPT_CHANNELS), dense

    def _device(self) -> torch.device:
        return next(self.embed.parameters()).device

    def draw(
        self,
        points: tuple[torch.Tensor, torch.Tensor] | None,
        boxes: torch.Tensor | None,
        masks: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the maps (B, 6, S/2, S/2); see `N_MAPS` for their order."""
        given = next(item for item in (boxes, masks, points[0] if points else None) if item is not None)
        side = self.input_size // MAP_STRIDE
        device = self._device()
        maps = torch.zeros(len(given), N_MAPS, side, side, device=device)
        centres = torch.arange(side, device=device) * MAP_STRIDE + MAP_STRIDE / 2
        if points is not None:
            coords, labels = points
            maps[:, 0] = _draw_clicks(coords, labels == 1, centres)
            maps[:, 1] = _draw_clicks(coords, labels == 0, centres)
        if boxes is not None:
            boxes = boxes.reshape(len(boxes), 4)
            inside_x = (centres >= boxes[:, 0:1]) & (centres <= boxes[:, 2:3])
            inside_y = (centres >= boxes[:, 1:2]) & (centres <= boxes[:, 3:4])
            maps[:, 2] = (inside_y[:, :, None] & inside_x[:, None, :]).float()
            maps[:, 3] = 1.0
        if masks is not None:
            maps[:, 4] = torch.tanh(masks[:, 0].float() / (self.logit_gain * LOGIT_SCALE))
            maps[:, 5] = 1.0
        return maps


def _draw_clicks(coords: torch.Tensor, is_drawn: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Return (B, side, side): the largest of one bell per drawn click."""
    sigma = CLICK_SIGMA_PX * MAP_STRIDE
    bells = torch.exp(-((coords[:, :, :, None].float() - centres) ** 2) / (2 * sigma**2))
    # Outer product of the bells along y and along x, one click after the other: N is small, the maps are not.
    drawn = torch.zeros(len(coords), len(centres), len(centres), device=centres.device)
    for index in range(coords.shape[1]):
        bell = bells[:, index, 1, :, None] * bells[:, index, 0, None, :]
        drawn = torch.maximum(drawn, bell * is_drawn[:, index, None, None])
    return drawn
