"""Shows a raster to the network until the object that was pointed at is seen whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.rasters.windows import PixelWindow
from server.segmentation.mask_records import crop_mask
from server.segmentation.prompting.agreement import measure_agreement
from server.segmentation.prompting.drawing import place_box
from server.segmentation.prompting.earlier_masks import SeenLogits
from server.segmentation.prompting.looks import Look, Looks
from server.segmentation.prompting.patches import LookReader
from server.segmentation.prompting.prompts import Extent, Prompts
from server.segmentation.prompting.rated_masks import PromptedNetwork
from server.segmentation.prompting.touched import keep_touched, shrink_logits, silence
from server.segmentation.whole_raster.pieces import CUT_MARGIN_PX, measure_margin
from server.segmentation.whole_raster.rectangles import bottom, right

# Looks at one prompt: the first, one with the mask in its middle, and four that see up to 16 times as far. Each may
# take a quarter of a second on a processor, and a person waits.
MAX_LOOKS = 6


@dataclass(frozen=True)
class FoundMask:
    """A mask of one look.

    Attributes:
        mask: bool (rows, columns) of the patch, not empty, without what holds no data there and without what
            `keep_touched` leaves out.
        predicted_iou: the network's own rating, 0..1.
        seen: what it was cut from.
    """

    mask: NDArray[np.bool_]
    predicted_iou: float
    seen: SeenLogits


@dataclass(frozen=True)
class PromptViewer:
    """Shows one raster to one network for the sake of one request.

    Attributes:
        reader: of the raster.
        network: of this thread.
        looks: on the raster.
        prompts: what the person pointed at.
        previous: the mask to be corrected; None for a new one.
    """

    reader: LookReader
    network: PromptedNetwork
    looks: Looks
    prompts: Prompts
    previous: SeenLogits | None

    def look_until_whole(self, *, multimask: bool) -> tuple[Look, list[FoundMask]]:
        """Look, and look again while the best mask is cut: with the mask in the middle, then from further away.

        Args:
            multimask: all masks; False for the best one alone.

        Returns:
            The last look that showed anything, and its masks, best first.
        """
        look = self._choose_first()
        found = self._ask(look, multimask=multimask)
        may_centre = True
        for _ in range(MAX_LOOKS - 1):
            if not found or not self._is_cut(found[0]):
                break
            extent = _unite(self.prompts.extent, found[0].seen.box)
            following = self.looks.centre(look, extent) if may_centre else None
            following = following or self.looks.coarser(look, extent)
            may_centre = False
            if following is None:
                break
            found_again = self._ask(following, multimask=multimask)
            if not found_again:
                break
            look, found = following, found_again
        return look, found

    def _choose_first(self) -> Look:
        """Return the look of the mask to be corrected where the prompts lie in it, or one around all there is."""
        extent = self.prompts.extent
        if self.previous is None:
            return self.looks.around(extent)
        window = self.previous.look.window
        is_inside = window.col <= extent.x0 and extent.x1 <= right(window)
        if is_inside and window.row <= extent.y0 and extent.y1 <= bottom(window):
            return self.previous.look
        return self.looks.around(_unite(extent, self.previous.box))

    def _ask(self, look: Look, *, multimask: bool) -> list[FoundMask]:
        """Return the masks of one look, best first."""
        patch = self.reader.read_look(look)
        if not patch.valid.any():
            return []
        to_low = _to_low(look, self.network)
        earlier = None if self.previous is None else self.previous.seen_from(look, to_low)
        prompts = _carry(self.prompts, look)
        size = round(look.window.height * to_low[1]), round(look.window.width * to_low[0])
        carried = None if earlier is None else shrink_logits(earlier, look.shape, size) > self.network.mask_threshold
        found: list[tuple[float, FoundMask]] = []
        for rated in self.network.ask(patch.rgb, prompts, earlier, multimask=multimask):
            whole = rated.mask & patch.valid
            mask = keep_touched(whole, prompts, carried)
            cropped = crop_mask(mask)
            if cropped is not None:
                logits = silence(rated.logits, whole & ~mask, mask, size)
                seen = SeenLogits(logits, look, to_low, place_box(cropped[1], look))
                weight = rated.predicted_iou * measure_agreement(mask, cropped[1], prompts)
                found.append((weight, FoundMask(mask, rated.predicted_iou, seen)))
        ranked = _drop_equal([item for _, item in sorted(found, key=lambda pair: -pair[0])])
        return ranked if multimask else ranked[:1]

    def _is_cut(self, found: FoundMask) -> bool:
        """Tell whether a mask reaches a border of its window that is not the raster's."""
        look = found.seen.look
        region = PixelWindow(0, 0, self.looks.width, self.looks.height)
        return measure_margin(found.seen.box, look.window, region) <= CUT_MARGIN_PX * max(look.scale_xy)


def _drop_equal(masks: list[FoundMask]) -> list[FoundMask]:
    """Return masks without those that, cut to what was clicked on, are the same as a better one."""
    kept: list[FoundMask] = []
    for item in masks:
        if not any(np.array_equal(item.mask, other.mask) for other in kept):
            kept.append(item)
    return kept


def _to_low(look: Look, network: PromptedNetwork) -> tuple[float, float]:
    """Return pixels of the logits per pixel of the raster along x and y: the patch fills the input's longer side."""
    rows, cols = look.shape
    share = network.input_size / max(rows, cols)
    resized = (int(cols * share + 0.5), int(rows * share + 0.5))  # rounded as SAM's ResizeLongestSide does
    low = network.low_side / network.input_size
    return resized[0] * low / look.window.width, resized[1] * low / look.window.height


def _carry(prompts: Prompts, look: Look) -> Prompts:
    """Return prompts in pixels of the patch."""
    corner, scale = np.array(look.window[:2], dtype=np.float64), np.array(look.scale_xy)
    box = None if prompts.box is None else (np.reshape(prompts.box, (2, 2)) - corner) / scale
    return Prompts(
        (prompts.points_xy - corner) / scale, prompts.labels, None if box is None else Extent(*box.ravel().tolist())
    )


def _unite(extent: Extent, box: PixelWindow) -> Extent:
    return Extent(
        min(extent.x0, box.col), min(extent.y0, box.row), max(extent.x1, right(box)), max(extent.y1, bottom(box))
    )
