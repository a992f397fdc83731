"""Applies what people decided to the records of a dataset, which themselves stay as they were built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.datasets.building.annotations import Annotation
from server.datasets.building.layout import Layout
from server.datasets.building.records import ImageRecord
from server.datasets.review.objects import ReviewObject

# In place of a reason of the gate.
REJECTED_BY_REVIEW = "review"


@dataclass(frozen=True)
class ReviewedLayout(Layout):
    """Files of a dataset that differ after a review, in a folder of their own.

    Attributes:
        built: the dataset as it was built.
    """

    built: Layout

    def record(self, name: str) -> Path:
        """Return the record as it was decided, or as it was built where nothing was decided."""
        own = super().record(name)
        return own if own.is_file() else self.built.record(name)


def make_reviewed(built: Layout, root: Path) -> ReviewedLayout:
    """Return the layout of decisions about a dataset in the folder `root`."""
    return ReviewedLayout(root, built)


def decide_record(record: ImageRecord, decided: Mapping[int, ReviewObject]) -> ImageRecord:
    """Return the record of an image as people decided.

    Args:
        record: as it was built.
        decided: its objects by their id in the image.
    """
    annotations = [decide(annotation, decided[annotation["instance_id"]]) for annotation in record.annotations]
    return dataclasses.replace(record, annotations=annotations)


def decide(annotation: Annotation, found: ReviewObject) -> Annotation:
    """Return an annotation as people decided; `review` tells what they did, and is missing where they did nothing."""
    if found.state == "open":
        return annotation
    decided = {**annotation, **(found.correction or {})}
    decided.pop("rejected", None)
    decided["review"] = "corrected" if found.correction is not None and found.is_in else found.state
    if not found.is_in:
        decided["rejected"] = annotation.get("rejected", REJECTED_BY_REVIEW)
    return decided
