"""Counts what went in, what was kept and what was rejected, over all records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from server.datasets.building.layout import Layout
from server.datasets.building.records import read_record
from server.datasets.detections.fitting import Fault

# The records hold all of them; of a million boxes there may be as many as fill the memory.
MAX_NOTES = 1000


@dataclass(frozen=True)
class BuildSummary:
    """Numbers of a built dataset.

    Attributes:
        n_images: images with a map.
        n_in: detections that were read, also those that could not be used.
        n_kept: instances in the dataset.
        rejected: masks that did not pass the gate, by reason.
        unusable: detections that no mask was asked for, by reason.
        n_cut: detections that were cut at the border of their image, and used.
        kept_by_class: instances by class, in the order of the classes.
        in_by_class: detections that a mask was asked for, by class.
        left_out: sentences about images that cannot be read; none of their detections count.
        notes: these and sentences about the labels, the first thousand.
    """

    n_images: int
    n_in: int
    n_kept: int
    rejected: dict[str, int]
    unusable: dict[str, int]
    n_cut: int
    kept_by_class: dict[str, int]
    in_by_class: dict[str, int]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    def tell(self) -> str:
        """Return a sentence with the counts."""
        unread = f" ({len(self.left_out)} more cannot be read)" if self.left_out else ""
        lost = {**self.unusable, **self.rejected}
        told = "".join(f", {number} {reason.replace('_', ' ')}" for reason, number in lost.items())
        return f"{self.n_images} images{unread}, {self.n_in} boxes or points: {self.n_kept} instances kept{told}."


def summarise(
    layout: Layout, names: Sequence[str], class_names: Sequence[str], left_out: Sequence[str], notes: Sequence[str]
) -> BuildSummary:
    """Count the records of finished images.

    Args:
        layout: of the dataset.
        names: of its images.
        class_names: in the order of their values.
        left_out: sentences about images that cannot be read, that come first.
        notes: of the reader, that come next.
    """
    faults: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    told = [*left_out, *notes]
    for name in names:
        record = read_record(layout, name)
        faults.update(record.faults)
        told += record.notes[: MAX_NOTES - len(told)] if len(told) < MAX_NOTES else ()
        asked.update(annotation["class"] for annotation in record.annotations)
        kept.update(annotation["class"] for annotation in record.kept)
        rejected.update(annotation["rejected"] for annotation in record.rejected)
    n_cut = faults.pop(Fault.CUT.name.lower(), 0)
    return BuildSummary(
        n_images=len(names),
        n_in=asked.total() + faults.total(),
        n_kept=kept.total(),
        rejected=dict(sorted(rejected.items())),
        unusable=dict(sorted(faults.items())),
        n_cut=n_cut,
        kept_by_class={name: kept[name] for name in class_names},
        in_by_class={name: asked[name] for name in class_names},
        left_out=tuple(left_out),
        notes=tuple(told[:MAX_NOTES]),
    )
