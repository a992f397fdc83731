"""A network's stand-in that outlines the bright area under a click, and what asks it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from server.segmentation.prompting.answering import PromptAnswer, PromptMemory, PromptRequest, answer_prompts
from server.segmentation.prompting.earlier_masks import EarlierMasks, Owner
from server.segmentation.prompting.patches import PatchCache
from server.segmentation.prompting.prompts import GivenPrompts, Prompts
from server.segmentation.prompting.rated_masks import Logits, RatedMask

OWNER = Owner("client", "raster", "embedded")
CERTAIN = np.float32(8.0)


class BrightAreas:
    """Finds the bright area under the first click inside, or all that is bright in the box.

    With an earlier mask, that mask without the areas under clicks outside.
    """

    input_size = 64
    low_side = 64
    mask_threshold = 0.0

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []
        self.asked: list[Prompts] = []
        self.earlier: list[Logits | None] = []

    def ask(self, rgb: np.ndarray, prompts: Prompts, earlier: Logits | None, *, multimask: bool) -> list[RatedMask]:
        assert max(rgb.shape[:2]) <= self.input_size
        self.seen.append(rgb)
        self.asked.append(prompts)
        self.earlier.append(earlier)
        bright = rgb[..., 0] > 100
        mask = self._find(bright, prompts)
        if earlier is not None:
            mask = mask | (self._shrink(earlier, rgb.shape[:2]) > 0)
            for (x, y), label in zip(prompts.points_xy, prompts.labels, strict=True):
                if label == 0:
                    mask &= ~area_at(bright, int(x), int(y))
        # Then what is a pixel wider, and everything that looks alike.
        wider = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        masks = [mask, wider, bright] if multimask else [mask]
        return [RatedMask(item, 0.9 - 0.2 * rank, self._draw_logits(item)) for rank, item in enumerate(masks)]

    def _find(self, bright: np.ndarray, prompts: Prompts) -> np.ndarray:
        if prompts.box is not None:
            inside = np.zeros_like(bright)
            x0, y0, x1, y1 = (round(value) for value in prompts.box)
            inside[y0:y1, x0:x1] = True
            return bright & inside
        found = np.zeros_like(bright)
        for (x, y), label in zip(prompts.points_xy, prompts.labels, strict=True):
            if label == 1:
                found |= area_at(bright, int(x), int(y))
        return found

    def _draw_logits(self, mask: np.ndarray) -> Logits:
        """Return the mask as logits of the square input, which the patch fills along its longer side."""
        rows, cols = mask.shape
        share = self.input_size / max(rows, cols)
        size = (max(1, round(cols * share)), max(1, round(rows * share)))
        logits = np.full((self.low_side, self.low_side), -CERTAIN)
        resized = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        logits[: size[1], : size[0]] = np.where(resized, CERTAIN, -CERTAIN)
        return logits

    def _shrink(self, logits: Logits, shape: tuple[int, int]) -> Logits:
        share = self.input_size / max(shape)
        part = logits[: max(1, round(shape[0] * share)), : max(1, round(shape[1] * share))]
        return cv2.resize(part, shape[::-1], interpolation=cv2.INTER_NEAREST)


def area_at(bright: np.ndarray, x: int, y: int) -> np.ndarray:
    """Return the connected part of `bright` at a pixel, nothing where it is dark."""
    _, areas = cv2.connectedComponents(bright.astype(np.uint8), connectivity=4)
    return (areas == areas[y, x]) & bright[y, x]


def draw_spots(size: tuple[int, int], *spots: tuple[int, int, int, int]) -> np.ndarray:
    """Return uint8 (3, height, width): 20, and 220 in each (col, row, width, height)."""
    bands = np.full((3, size[1], size[0]), 20, dtype=np.uint8)
    for col, row, width, height in spots:
        bands[:, row : row + height, col : col + width] = 220
    return bands


class Asker:
    """Asks the stand-in about rasters, with one memory of earlier masks."""

    def __init__(self) -> None:
        self.network = BrightAreas()
        self.memory = PromptMemory(EarlierMasks(1 << 20), PatchCache(1 << 20))

    def __call__(
        self,
        source: Path,
        *points: tuple[float, float, int],
        box: tuple[float, ...] | None = None,
        space: str = "pixel",
        owner: Owner = OWNER,
        previous: str | None = None,
        multimask: bool = False,
        keep: bool = True,
    ) -> PromptAnswer:
        given = GivenPrompts(points, box, space)  # type: ignore[arg-type]
        request = PromptRequest(given, (1, 2, 3), owner, previous, multimask, keep)
        return answer_prompts(source, request, lambda _checkpoint: self.network, self.memory)
