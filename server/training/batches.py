"""One training step's images, objects and prompts as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.training.augmentation import augment
from server.training.labelled_images import UNKNOWN, Source, draw_crop, object_ids
from server.training.prompts import INSIDE, NO_CLICK, centre_click, choose_objects, drawn_box, random_click
from server.training.scene_canvas import Mask

# Everything-mode and a first click are one point; the rest makes boxes and further clicks work.
CLICK, CLICKS, BOX, BOX_AND_CLICK = "click", "clicks", "box", "box and click"
PROMPT_KINDS = {CLICK: 0.5, CLICKS: 0.1, BOX: 0.26, BOX_AND_CLICK: 0.14}
MAX_CLICKS = 3


@dataclass(frozen=True)
class Batch:
    """B images with K prompts each; N = B * K prompts, those of one image together.

    Attributes:
        rgb: uint8 (B, S, S, 3).
        masks: bool (N, S, S), the object each prompt means.
        known: bool (B, S, S), False where nobody knows what is right.
        clicks: float32 (N, P, 2), x, y in pixels, or None.
        click_labels: int64 (N, P), 1 inside, 0 outside, -1 no click, or None.
        boxes: float32 (N, 4), x0, y0, x1, y1 in pixels, or None.
    """

    rgb: NDArray[np.uint8]
    masks: Mask
    known: Mask
    clicks: NDArray[np.float32] | None
    click_labels: NDArray[np.int64] | None
    boxes: NDArray[np.float32] | None


def draw_batch(sources: Sequence[Source], size: int, n_images: int, n_prompts: int, rng: np.random.Generator) -> Batch:
    """Draw `n_images` crops of `size` pixels with `n_prompts` prompts each, all of one random kind."""
    crops = [augment(draw_crop(sources, size, rng), rng) for _ in range(n_images)]
    masks = []
    for crop in crops:
        ids = object_ids(crop.labels)
        if len(ids) == 0:  # padding covered all there was; the whole rest then is the object
            masks.extend([crop.labels >= 0] * n_prompts)
            continue
        masks.extend(crop.labels == chosen for chosen in choose_objects(crop.labels, ids, n_prompts, rng))
    kind = str(rng.choice(list(PROMPT_KINDS), p=list(PROMPT_KINDS.values())))
    clicks, click_labels = _draw_clicks(masks, kind, rng)
    boxes = [drawn_box(mask, rng) for mask in masks] if kind in (BOX, BOX_AND_CLICK) else None
    return Batch(
        rgb=np.stack([crop.rgb for crop in crops]),
        masks=np.stack(masks),
        known=np.stack([crop.labels != UNKNOWN for crop in crops]),
        clicks=clicks,
        click_labels=click_labels,
        boxes=None if boxes is None else np.asarray(boxes, np.float32),
    )


def _draw_clicks(
    masks: Sequence[Mask], kind: str, rng: np.random.Generator
) -> tuple[NDArray[np.float32] | None, NDArray[np.int64] | None]:
    """Return clicks (N, P, 2) and their labels (N, P) for one kind of prompt, or two None for boxes alone."""
    if kind == BOX:
        return None, None
    n_clicks = MAX_CLICKS if kind == CLICKS else 1
    clicks = np.zeros((len(masks), n_clicks, 2), np.float32)
    labels = np.full((len(masks), n_clicks), INSIDE, np.int64)
    for index, mask in enumerate(masks):
        clicks[index, 0] = centre_click(mask) if rng.random() < 0.55 else random_click(mask, rng)
        for further in range(1, n_clicks):
            is_outside = rng.random() < 0.4
            if is_outside and not mask.all():
                clicks[index, further], labels[index, further] = random_click(~mask, rng), 0
            else:
                clicks[index, further] = random_click(mask, rng)
                labels[index, further] = rng.choice([INSIDE, NO_CLICK])
    return clicks, labels
