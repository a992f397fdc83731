"""Simulated prompts on a view: nothing at all for the class mode, clicks, or boxes as people draw them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.training.labelled_images import UNKNOWN, object_ids
from server.training.prompts import centre_click, choose_objects, drawn_box, random_click
from server.training.scene_canvas import Mask

# Everything-mode and people click at centres more often than anywhere else.
CENTRE_SHARE = 0.5


@dataclass(frozen=True)
class PromptedMasks:
    """Prompts on one view and what they mean.

    Attributes:
        masks: bool (P, S, S), what each prompt means; P is 1 for the class mode.
        known: bool (S, S), False where nobody knows.
        clicks: float32 (P, 1, 2), x, y in pixels, or None.
        boxes: float32 (P, 4), x0, y0, x1, y1 in pixels, or None. Neither clicks nor boxes is the class mode.
    """

    masks: Mask
    known: Mask
    clicks: NDArray[np.float32] | None = None
    boxes: NDArray[np.float32] | None = None

    @property
    def is_class_mode(self) -> bool:
        """Tell whether nothing is clicked and no box is drawn."""
        return self.clicks is None and self.boxes is None


def draw_prompts(
    labels: NDArray[np.int32], class_share: float, n_prompts: int, rng: np.random.Generator
) -> PromptedMasks:
    """Return the class mode, or clicks or boxes on objects where the view has any.

    Args:
        labels: int32 (S, S), as `class_objects` gives them.
        class_share: how often the class mode is trained, 0..1; clicks and boxes share the rest.
        n_prompts: clicks or boxes.
        rng: draws everything.
    """
    known = labels != UNKNOWN
    is_class_mode, is_click = rng.random() < class_share, rng.random() < 0.5
    ids = object_ids(labels)
    if is_class_mode or len(ids) == 0:
        return PromptedMasks((labels > 0)[None], known)
    masks = np.stack([labels == chosen for chosen in choose_objects(labels, ids, n_prompts, rng)])
    if is_click:
        clicks = [centre_click(mask) if rng.random() < CENTRE_SHARE else random_click(mask, rng) for mask in masks]
        return PromptedMasks(masks, known, clicks=np.array(clicks, np.float32)[:, None])
    return PromptedMasks(masks, known, boxes=np.array([drawn_box(mask, rng) for mask in masks], np.float32))
