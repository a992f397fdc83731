"""Keeps of a mask what was clicked on: an object is one piece, and networks add others that look alike."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from server.segmentation.prompting.prompts import Prompts
from server.segmentation.prompting.rated_masks import Logits

Mask = NDArray[np.bool_]


def keep_touched(mask: Mask, prompts: Prompts, earlier: Mask | None = None) -> Mask:
    """Return the connected areas of a mask that hold a click on the object or a part of the earlier mask.

    A mask stays as it is where none does, and within a box, which says itself how far an object goes.

    Args:
        mask: bool (H, W).
        prompts: in the same pixels.
        earlier: bool (H, W), the mask that is being corrected; None for a new one.
    """
    if prompts.box is not None:
        return mask
    rows, cols = mask.shape
    clicks = prompts.points_xy[prompts.labels == 1].astype(np.int64)
    clicks = np.stack([clicks[:, 0].clip(0, cols - 1), clicks[:, 1].clip(0, rows - 1)], axis=1)
    # Most masks are small in their window, and only where they are is anything to be told apart.
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if width == 0:
        return mask
    part = slice(top, top + height), slice(left, left + width)
    n_areas, areas = cv2.connectedComponents(mask[part].astype(np.uint8), connectivity=8)
    inside = (clicks >= (left, top)).all(axis=1) & (clicks < (left + width, top + height)).all(axis=1)
    touched = areas[clicks[inside, 1] - top, clicks[inside, 0] - left]
    if earlier is not None:
        touched = np.concatenate([touched, areas[earlier[part]]])
    if not touched.any():
        return mask
    is_kept = np.zeros(n_areas, bool)
    is_kept[touched] = True
    is_kept[0] = False  # the ground around
    kept = np.zeros_like(mask)
    kept[part] = is_kept[areas]
    return kept


def shrink_logits(logits: Logits, shape: tuple[int, int], size: tuple[int, int]) -> Logits:
    """Return logits (S, S) of the square input as they lie in a patch.

    Args:
        logits: the patch fills their upper left part.
        shape: rows and columns of the patch.
        size: rows and columns of that part.
    """
    part = logits[: size[0], : size[1]]
    return np.asarray(cv2.resize(part, shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def silence(logits: Logits, dropped: Mask, kept: Mask, size: tuple[int, int]) -> Logits:
    """Return logits that are negative where a part of their mask was dropped, so that no correction brings it back.

    Args:
        logits: (S, S) for the square input.
        dropped: bool (rows, columns) of the patch.
        kept: bool (rows, columns) of the patch.
        size: rows and columns of the logits that the patch fills.
    """
    if not dropped.any():
        return logits
    # Logits are coarser than the patch: one that lies in both stays.
    shares = [cv2.resize(part.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) for part in (dropped, kept)]
    quiet = logits.copy()
    part = quiet[: size[0], : size[1]]
    part[:] = np.where(cv2.dilate(shares[0], np.ones((3, 3))) > shares[1], -np.abs(part), part)
    return quiet
