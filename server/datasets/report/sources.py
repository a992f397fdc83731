"""Hands out the objects of datasets made by `build-dataset`, and of all others that there are readers for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.datasets.building.annotations import Annotation
from server.datasets.building.layout import Layout
from server.datasets.building.records import ImageRecord, read_record
from server.datasets.building.run_lengths import read_mask
from server.datasets.errors import BadDataset
from server.datasets.images import find_files
from server.datasets.report.examples import PLAIN_RGB
from server.datasets.report.objects import CountedImage, CountedObject
from server.datasets.scenes import Dataset, LabelledScene
from server.errors import NotARaster
from server.rasters.look import choose_bands
from server.rasters.windows import PatchReader, PixelWindow

# Images are looked at whole, as their objects are.
WHOLE = 2**31


def is_built(folder: Path) -> bool:
    """Tell whether a folder was written by `build-dataset`."""
    layout = Layout(folder)
    return layout.plan.is_file() and layout.classes.is_file()


class BuiltDataset:
    """Implements `CountedDataset` with the records of a built dataset; masks are whole, also where others lie above."""

    def __init__(
        self,
        layout: Layout,
        names: Sequence[str],
        class_names: Sequence[str],
        find_image: Callable[[ImageRecord], Path | None],
    ) -> None:
        """Take what is known about the dataset.

        Args:
            layout: where the records are.
            names: of its images.
            class_names: in the order of their values.
            find_image: returns the file of an image; None leaves out what needs it.
        """
        self._layout, self._names = layout, names
        self.class_names = class_names
        self._find_image = find_image

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[CountedImage]:
        for name in self._names:
            record = read_record(self._layout, name)
            objects = [_read_object(annotation) for annotation in record.kept]
            path = self._find_image(record)
            yield CountedImage(name, record.size, objects, None if path is None else partial(_read_rgb, path))


def open_built(root: Path, images: Path | None) -> BuiltDataset:
    """Open a dataset that `build-dataset` wrote.

    Args:
        root: its folder.
        images: that it was made from; None leaves out what needs them.

    Raises:
        BadDataset: the dataset is not finished, or `images` has none of its images.
    """
    layout = Layout(root)
    if not layout.splits.is_file():
        raise BadDataset(f"{root} is not finished; run build-dataset again, it goes on where it was.", "dataset")
    names = list(json.loads(layout.splits.read_text(encoding="utf-8"))["areas"])
    plan = json.loads(layout.plan.read_text(encoding="utf-8"))
    files = {} if images is None else find_files(images)
    if images is not None and not files.keys() & set(names):
        raise BadDataset(f"{images} holds none of the images that {root} was made from.", "images")
    return BuiltDataset(layout, names, plan["classes"], lambda record: files.get(record.name))


def _read_rgb(path: Path, window: PixelWindow) -> NDArray[np.uint8]:
    """Return a part of an image, grey where it cannot be read: an example is no reason to go without a report."""
    try:
        with PatchReader(path, choose_bands(path, None)) as reader:
            return reader.read_patch(window).rgb
    except NotARaster:
        return np.full((window.height, window.width, 3), PLAIN_RGB, np.uint8)


class SceneDataset:
    """Implements `CountedDataset` with labelled scenes; of objects that overlap, what is seen counts."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.class_names: Sequence[str] = dataset.class_names

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[CountedImage]:
        for scene in self._dataset:
            height, width = scene.objects.shape
            yield CountedImage(scene.name, (width, height), list(self._cut_out(scene)), partial(_cut_rgb, scene))

    def _cut_out(self, scene: LabelledScene) -> Iterator[CountedObject]:
        for number, window in find_windows(scene.objects).items():
            part = (slice(window.row, window.row + window.height), slice(window.col, window.col + window.width))
            mask = scene.objects[part] == number
            value = int(scene.classes[part][mask][0])
            if value > 0:
                yield CountedObject(self.class_names[value - 1], mask, window, None)


def _cut_rgb(scene: LabelledScene, window: PixelWindow) -> NDArray[np.uint8]:
    return scene.rgb[window.row : window.row + window.height, window.col : window.col + window.width]


def find_windows(objects: NDArray[np.int32]) -> dict[int, PixelWindow]:
    """Return the box of every object in a map of ids, (H, W), where 0 and less are no objects."""
    rows, cols = np.nonzero(objects > 0)
    ids, places = np.unique(objects[rows, cols], return_inverse=True)
    first = np.full((len(ids), 2), WHOLE, np.int64)
    last = np.zeros((len(ids), 2), np.int64)
    for axis, values in enumerate((cols, rows)):
        np.minimum.at(first[:, axis], places, values)
        np.maximum.at(last[:, axis], places, values)
    boxes = np.concatenate([first, last - first + 1], axis=1).tolist()
    return {number: PixelWindow(*box) for number, box in zip(ids.tolist(), boxes, strict=True)}


def _read_object(annotation: Annotation) -> CountedObject:
    return CountedObject(
        annotation["class"], read_mask(annotation), PixelWindow(*annotation["bbox"]), annotation.get("box_iou")
    )
