"""Puts prompts into an order in which neighbours are seen in the same window, because encoding one takes longest."""

from __future__ import annotations

from collections.abc import Sequence

from server.segmentation.many_prompts.placed import PlacedPrompt
from server.segmentation.prompting.looks import Looks


def order_by_look(prompts: Sequence[PlacedPrompt], looks: Looks) -> list[int]:
    """Return the indexes of prompts, those with the same first look next to each other.

    Looks of one size follow each other in rows of windows, to the right and back again: what is seen in the window
    next to the first one is seen again soon.
    """

    def rank(index: int) -> tuple[int, int, int, int]:
        look = looks.around(prompts[index].prompts.extent)
        window, side = look.window, looks.side_of(look)
        goes_right = (window.row // max(1, side // 2)) % 2 == 0
        return side, window.row, window.col if goes_right else -window.col, index

    return sorted(range(len(prompts)), key=rank)
