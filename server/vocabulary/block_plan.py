"""Which coarse cells each block of fine pixels needs, so that filtering an enlarged map becomes matrix products.

A joint bilateral stage enlarges its features twofold (bicubic), pads them by reflection and lets every fine pixel take
a weighted sum of its neighbours. All of that is linear in the features, so a fine pixel's sum over k x k enlarged
neighbours is a sum over a few coarse cells. Pixels of one block share those cells: one matrix product per block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

# Side of a block in fine pixels; even. Larger blocks multiply by more zeros, smaller ones make small, slow products:
# with 8 and radius 5 a block's 64 pixels share 169 coarse cells, where each alone would sum 121 enlarged neighbours.
BLOCK = 8


@dataclass(frozen=True)
class Axis:
    """One side of a map that is enlarged twofold, cut into blocks.

    Attributes:
        n_blocks: blocks along this side; the last one may reach beyond the map.
        taps: (n_blocks x BLOCK + 2 radius,) the fine pixel each place of the padded side shows, by reflection.
        starts: (n_blocks,) first coarse cell that each block needs.
        n_cells: coarse cells that each block needs.
        mixing: (n_blocks, BLOCK, 2 radius + 1, n_cells): what each cell of a block adds to each tap of each pixel.
    """

    n_blocks: int
    taps: Tensor
    starts: Tensor
    n_cells: int
    mixing: Tensor


@lru_cache(maxsize=32)
@torch.inference_mode(mode=False)  # plans made while inferring must serve training as well
def plan_axis(n_coarse: int, radius: int) -> Axis:
    """Cut a side of `n_coarse` cells, enlarged to twice as many pixels, into blocks for a filter of that radius."""
    n_fine, n_taps = 2 * n_coarse, 2 * radius + 1
    n_blocks = -(-n_fine // BLOCK)
    taps = reflect(torch.arange(-radius, n_blocks * BLOCK + radius), n_fine)
    # Rows of every block's taps: (n_blocks, BLOCK + 2 radius, n_coarse).
    per_block = enlarge_matrix(n_coarse)[taps].unfold(0, BLOCK + 2 * radius, BLOCK).mT
    is_needed = (per_block != 0).any(dim=1)
    first = is_needed.int().argmax(dim=1)
    last = n_coarse - 1 - is_needed.flip(1).int().argmax(dim=1)
    n_cells = int((last - first).max()) + 1
    starts = first.clamp(max=n_coarse - n_cells)
    cells = starts[:, None] + torch.arange(n_cells)
    needed = per_block.gather(2, cells[:, None, :].expand(-1, per_block.shape[1], -1))
    mixing = needed.unfold(1, n_taps, 1).mT.contiguous()
    return Axis(n_blocks, taps, starts, n_cells, mixing)


def enlarge_matrix(n_coarse: int) -> Tensor:
    """Return (2 n, n): torch's bicubic enlargement of n cells to twice as many, as a matrix."""
    each_cell = torch.eye(n_coarse).reshape(1, n_coarse, n_coarse, 1)
    enlarged = functional.interpolate(each_cell, size=(2 * n_coarse, 1), mode="bicubic", align_corners=False)
    return enlarged[0, :, :, 0].mT.contiguous()


def reflect(places: Tensor, length: int) -> Tensor:
    """Return for every place of an endlessly mirrored side which of its `length` pixels is seen; edges appear once."""
    period = max(2 * (length - 1), 1)
    folded = places.remainder(period)
    return torch.where(folded < length, folded, period - folded)
