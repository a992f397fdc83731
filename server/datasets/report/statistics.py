"""Counts the objects of a dataset: by class, by size, by place, and against boxes and truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from server.datasets.report.examples import Example, ExampleBox
from server.datasets.report.objects import CountedDataset, CountedImage, CountedObject
from server.datasets.scenes import Labels

# Cells of the heat map along each side; every image is laid over all of it.
HEAT_CELLS = 32


@dataclass
class ClassCounts:
    """What is known about the objects of one class, one entry for each object.

    Attributes:
        sizes_px: pixels of the masks.
        box_ious: IoU of the mask's box with that it was asked with; only objects that have one.
        truth_ious: IoU with the object of the truth that most of the mask lies on, 0 where there is none.
        examples: some of them, chosen by chance.
    """

    sizes_px: list[int] = field(default_factory=list)
    box_ious: list[float] = field(default_factory=list)
    truth_ious: list[float] = field(default_factory=list)
    examples: ExampleBox = field(default_factory=ExampleBox)


@dataclass
class Statistics:
    """Everything the report tells.

    Attributes:
        by_class: in the order of the classes.
        objects_per_image: one entry for each image.
        image_px: pixels of all images.
        heat: float64 (32, 32), share of images whose cell is covered: rows from the top, columns from the left.
    """

    by_class: dict[str, ClassCounts]
    objects_per_image: list[int] = field(default_factory=list)
    image_px: int = 0
    heat: NDArray[np.float64] = field(default_factory=lambda: np.zeros((HEAT_CELLS, HEAT_CELLS)))

    @property
    def n_objects(self) -> int:
        """Objects of all classes."""
        return sum(self.objects_per_image)

    @property
    def sizes_px(self) -> NDArray[np.int64]:
        """Sizes of the objects of all classes."""
        return np.array([size for counts in self.by_class.values() for size in counts.sizes_px], np.int64)

    @property
    def box_ious(self) -> NDArray[np.float64]:
        """IoU of boxes of the objects of all classes that were asked with one."""
        return np.array([iou for counts in self.by_class.values() for iou in counts.box_ious])

    @property
    def truth_ious(self) -> NDArray[np.float64]:
        """IoU with the truth of the objects of all classes."""
        return np.array([iou for counts in self.by_class.values() for iou in counts.truth_ious])


def measure_dataset(
    dataset: CountedDataset, read_truth: Mapping[str, Callable[[], Labels]], tell: Callable[[], object]
) -> Statistics:
    """Look at every image once; memory holds one of them and a few numbers for every object.

    Args:
        dataset: what is told about.
        read_truth: by name of the image, what reads a map of the true objects, int32 (H, W) with ids from 1; empty
            without truth.
        tell: called after every image.

    Raises:
        UserError: files do not fit each other or cannot be read.
    """
    statistics = Statistics({name: ClassCounts() for name in dataset.class_names})
    for image in dataset:
        truth = _Truth(read_truth[image.name]()) if image.name in read_truth else None
        statistics.objects_per_image.append(len(image.objects))
        statistics.image_px += image.size[0] * image.size[1]
        covered = np.zeros((HEAT_CELLS, HEAT_CELLS))
        for number, item in enumerate(image.objects):
            counts = statistics.by_class.setdefault(item.class_name, ClassCounts())
            counts.sizes_px.append(item.area_px)
            if item.box_iou is not None:
                counts.box_ious.append(item.box_iou)
            if truth is not None:
                counts.truth_ious.append(truth.compare(item))
            counts.examples.offer(Example(image, item, f"{image.name} {number}"))
            covered += _spread(item, image)
        statistics.heat += np.minimum(covered, 1)
        tell()
    statistics.heat /= max(len(statistics.objects_per_image), 1)
    return statistics


class _Truth:
    """The objects there really are in one image."""

    def __init__(self, objects: Labels) -> None:
        self._objects = np.maximum(objects, 0)
        self._areas = np.bincount(self._objects.ravel())

    def compare(self, item: CountedObject) -> float:
        """Return the IoU with the object that most of the mask lies on, 0 where it lies on none."""
        window = item.window
        part = self._objects[window.row : window.row + window.height, window.col : window.col + window.width]
        under = np.bincount(part[item.mask], minlength=1)
        under[0] = 0
        number = int(under.argmax())
        common = int(under[number])
        return common / (item.area_px + int(self._areas[number]) - common) if common else 0.0


def _spread(item: CountedObject, image: CountedImage) -> NDArray[np.float64]:
    """Return which share of every cell of the heat map a mask covers."""
    width, height = image.size
    rows, cols = np.nonzero(item.mask)
    cells = (rows + item.window.row) * HEAT_CELLS // height * HEAT_CELLS + (
        cols + item.window.col
    ) * HEAT_CELLS // width
    n_px = np.bincount(cells, minlength=HEAT_CELLS**2).reshape(HEAT_CELLS, HEAT_CELLS)
    return np.asarray(n_px * (HEAT_CELLS**2 / (width * height)), np.float64)
