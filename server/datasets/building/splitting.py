"""Parts the images of a dataset by area, because neighbours on both sides would let a network look up the answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from server.datasets.building.settings import Shares

TRAINING, VALIDATION, TEST = "training", "validation", "test"


def split_areas(areas: Mapping[str, str], shares: Shares, seed: int) -> dict[str, str]:
    """Return the part of every image.

    Areas, in an order drawn by `seed`, go one by one to the part that lacks the most images. A part with a share over 0
    stays empty only where there are fewer areas than parts.

    Args:
        areas: area of every image by name; all images of one go into the same part.
        shares: of validation and test.
        seed: of the order.
    """
    n_images: dict[str, int] = {}
    for area in areas.values():
        n_images[area] = n_images.get(area, 0) + 1
    wanted = {TRAINING: 1 - shares.validation - shares.test, VALIDATION: shares.validation, TEST: shares.test}
    missing = {part: share * len(areas) for part, share in wanted.items() if share > 0}
    order = np.random.default_rng(seed).permutation(len(n_images))
    by_draw = [sorted(n_images)[index] for index in order]
    parts: dict[str, str] = {}
    for number, area in enumerate(by_draw):
        empty = [part for part in missing if part not in parts.values()]
        # The last areas fill what would stay empty.
        eligible = empty if len(by_draw) - number <= len(empty) else list(missing)
        part = max(eligible, key=lambda name: missing[name])
        parts[area] = part
        missing[part] -= n_images[area]
    return {name: parts[area] for name, area in sorted(areas.items())}
