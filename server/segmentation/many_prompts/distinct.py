"""Tells which of many outlines are the same object found twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

# Outlines of the same object by two prompts agree by more, neighbouring roofs by much less.
SAME_IOU = 0.8


def choose_distinct(
    outlines: Sequence[shapely.MultiPolygon], ratings: Sequence[float], tell: Callable[[float], None]
) -> list[int]:
    """Return the indexes of the outlines that stay, in their order.

    The best rated comes first, and of equals the one that was asked for first; one whose IoU with an outline that
    stays is at least `SAME_IOU` is a duplicate of it, whatever class it was meant to have.

    Args:
        outlines: valid, not empty.
        ratings: of the outlines, larger is better.
        tell: told the finished share, 0..1; may raise to stop.
    """
    shapes = np.empty(len(outlines), dtype=object)
    shapes[:] = outlines
    tree, areas = shapely.STRtree(shapes), shapely.area(shapes)
    stays = np.zeros(len(shapes), bool)
    for n_done, index in enumerate(np.argsort(-np.asarray(ratings), kind="stable").tolist()):
        tell(n_done / len(shapes))
        near = tree.query(shapes[index])
        near = near[stays[near]]
        # The IoU is no more than the smaller area over the larger.
        alike = np.minimum(areas[near], areas[index]) >= SAME_IOU * np.maximum(areas[near], areas[index])
        stays[index] = not _is_same(shapes[index], shapes[near[alike]])
    return np.flatnonzero(stays).tolist()


def _is_same(outline: shapely.MultiPolygon, others: NDArray[np.object_]) -> bool:
    """Tell whether one of `others` covers so much the same that it is the same object."""
    common = shapely.area(shapely.intersection(outline, others))
    return bool((common >= SAME_IOU * (outline.area + shapely.area(others) - common)).any())
