"""Chooses which areas only validate, where nobody said so."""

from __future__ import annotations

from collections import Counter

from server.datasets.errors import BadDataset
from server.datasets.scenes import Dataset

# Enough to tell better weights from worse ones, while most images are left to learn from.
LEAST_SHARE = 0.15


def choose_held_out(dataset: Dataset) -> list[str]:
    """Return the areas, the last ones by name, that together hold at least a few of the images; one always stays.

    Raises:
        BadDataset: all images belong to one area, so that a validation area would show what training has seen.
    """
    n_images = Counter(dataset.groups)
    names = sorted(n_images)
    if len(names) < 2:
        raise BadDataset(
            f"All {len(dataset)} images belong to one area, so none is left for validation; neighbouring tiles would "
            "only show what was learned by heart. Put areas into folders of their own, or tell areas from names "
            "(--areas-by name) or places (--areas-by location).",
            "held_out",
        )
    held_out = [names.pop()]
    while len(names) > 1 and sum(n_images[name] for name in held_out) < LEAST_SHARE * len(dataset):
        held_out.append(names.pop())
    return held_out
