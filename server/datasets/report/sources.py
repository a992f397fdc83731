"""Hands out the objects of datasets made by `build-dataset`, and of all others that there are readers for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from server.datasets.building.annotations import Annotation
from server.datasets.building.layout import Layout
from server.datasets.building.records import ImageRecord, read_record
from server.datasets.errors import BadDataset
from server.datasets.images import find_files, open_image
from server.datasets.options import ReadingOptions
from server.datasets.report.objects import CountedImage, CountedObject
from server.datasets.scenes import Dataset, LabelledScene
from server.rasters.windows import PixelWindow

# Images are looked at whole, as their objects are.
WHOLE = 2**31


def is_built(folder: Path) -> bool:
    """Tell whether a folder was written by `build-dataset`."""
    layout = Layout(folder)
    return layout.plan.is_file() and layout.classes.is_file()


class BuiltDataset:
    """Implements `CountedDataset` with the records of a built dataset; masks are whole, also where others lie above."""

    def __init__(self, root: Path, images: Path | None) -> None:
        """Open.

        Args:
            root: folder of the dataset.
            images: that it was made from; None leaves out what needs them.

        Raises:
            BadDataset: the dataset is not finished, or `images` has none of its images.
        """
        self._layout = Layout(root)
        if not self._layout.splits.is_file():
            raise BadDataset(f"{root} is not finished; run build-dataset again, it goes on where it was.", "dataset")
        self._names = list(json.loads(self._layout.splits.read_text(encoding="utf-8"))["areas"])
        plan = json.loads(self._layout.plan.read_text(encoding="utf-8"))
        self.class_names: Sequence[str] = plan["classes"]
        self._images = images
        self._files = {} if images is None else find_files(images)
        if images is not None and not self._files.keys() & set(self._names):
            raise BadDataset(f"{images} holds none of the images that {root} was made from.", "images")

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[CountedImage]:
        for name in self._names:
            record = read_record(self._layout, name)
            objects = [_read_object(annotation, record) for annotation in record.kept]
            read_rgb = cache(partial(self._read_rgb, name)) if name in self._files else None
            yield CountedImage(name, record.size, objects, read_rgb)

    def _read_rgb(self, name: str) -> NDArray[np.uint8]:
        folder = self._images or Path()
        image = next(open_image(self._files[name], name, folder, ReadingOptions(max_side_px=WHOLE)))
        return image.read("percentile").rgb


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
            read_rgb = partial(getattr, scene, "rgb")
            yield CountedImage(scene.name, (width, height), list(self._cut_out(scene)), read_rgb)

    def _cut_out(self, scene: LabelledScene) -> Iterator[CountedObject]:
        for number, window in find_windows(scene.objects).items():
            part = (slice(window.row, window.row + window.height), slice(window.col, window.col + window.width))
            mask = scene.objects[part] == number
            value = int(scene.classes[part][mask][0])
            if value > 0:
                yield CountedObject(self.class_names[value - 1], mask, window, None)


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


def _read_object(annotation: Annotation, record: ImageRecord) -> CountedObject:
    x, y, width, height = annotation["bbox"]
    whole = run_lengths.decode(annotation["segmentation"]).astype(np.bool_)
    mask = whole[y : y + height, x : x + width]
    if whole.shape != record.size[::-1] or mask.shape != (height, width):
        raise BadDataset(
            f"The record of {record.name} does not fit itself; remove it and run build-dataset.", "dataset"
        )
    return CountedObject(annotation["class"], mask, PixelWindow(x, y, width, height), annotation.get("box_iou"))
