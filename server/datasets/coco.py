"""Images with the polygons and run lengths of one COCO file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from server.datasets.drawing import Outline, draw_outlines
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage, find_files, open_image
from server.datasets.labelled_windows import LabelledWindow
from server.datasets.options import ReadingOptions
from server.datasets.scenes import NOTHING, UNKNOWN, Dataset, Labels, list_names

Annotation = dict[str, Any]


@dataclass(frozen=True)
class ImageAnnotations:
    """Implements `LabelSource` with the annotations of one image.

    Attributes:
        annotations: as they stand in the file.
        class_numbers: by category id, from 1.
        size: width and height that the file declares for the image; None where it does not.
    """

    annotations: Sequence[Annotation]
    class_numbers: Mapping[int, int]
    size: tuple[int, int] | None

    def read_labels(self, image: SceneImage) -> tuple[Labels, Labels]:
        """Draw the outlined annotations, then those in run lengths on top of them; see `LabelSource`.

        Raises:
            BadDataset: the image or an annotation has another size than declared, or an annotation no outline.
        """
        self._check_size(image)
        outlines, masks = [], []
        for annotation in self.annotations:
            number = UNKNOWN if annotation.get("iscrowd") else self.class_numbers[annotation["category_id"]]
            found = _read_segmentation(annotation, image.path.name)
            if isinstance(found, dict):
                masks.append((_decode(found, image), number))
            else:
                outlines.append(Outline(found, number))
        objects, classes = draw_outlines(outlines, image.window)
        masks.sort(key=lambda item: -int(item[0].sum()))
        for object_id, (mask, number) in enumerate(masks, start=len(outlines) + 1):
            objects[mask] = object_id if number > NOTHING else UNKNOWN
            classes[mask] = number
        return objects, classes

    def _check_size(self, image: SceneImage) -> None:
        if self.size is not None and self.size != image.size:
            raise BadDataset(
                f"{image.path.name} has {image.size[0]} x {image.size[1]} pixels, but the COCO file says "
                f"{self.size[0]} x {self.size[1]}; use the images that the annotations were drawn on.",
                "images",
            )


def open_annotated_images(images: Path, annotations: Path, options: ReadingOptions) -> Dataset:
    """Find the images that a COCO file names in a folder.

    Raises:
        BadDataset: the file is not COCO, or the folder has none of its images.
        NotARaster: an image cannot be opened.
    """
    content = read_coco(annotations)
    categories = {row["id"]: str(row["name"]) for row in content["categories"]}
    class_names = tuple(dict.fromkeys(categories[number] for number in sorted(categories)))
    class_numbers = {number: class_names.index(name) + 1 for number, name in categories.items()}
    by_image: dict[int, list[Annotation]] = {}
    for annotation in content["annotations"]:
        _require_category(annotation, categories, annotations)
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    files = find_files(images)
    named = {_key(row): row for row in content["images"]}
    found = _match(files, named)
    if not found:
        raise BadDataset(
            f"None of the images that {annotations.name} names ({list_names(named)}) is in {images}, where there are "
            f"{list_names(files)}.",
            "images",
        )
    sources: list[LabelledWindow] = []
    for name, key in found.items():
        row = named[name]
        size = (row["width"], row["height"]) if {"width", "height"} <= row.keys() else None
        labels = ImageAnnotations(by_image.get(row["id"], ()), class_numbers, size)
        windows = open_image(files[key], key, images, options)
        sources += [LabelledWindow(image, labels, options.stretch) for image in windows]
    return Dataset(sources, class_names, list(_tell_absent(annotations, named, found)))


def read_coco(path: Path) -> dict[str, Any]:
    """Return the content of a COCO file.

    Raises:
        BadDataset: it cannot be read, or lacks one of the three lists.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadDataset(f"{path} cannot be read as JSON ({error}).", "masks") from error
    parts = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in parts):
        raise BadDataset(
            f'{path.name} is not a COCO file; expected lists "images", "annotations", "categories".', "masks"
        )
    return content


def _require_category(annotation: Annotation, categories: Mapping[int, str], path: Path) -> None:
    if annotation.get("category_id") not in categories:
        raise BadDataset(
            f"Annotation {annotation.get('id')} of {path.name} has the category {annotation.get('category_id')}, but "
            f"the file declares {sorted(categories)}; add it to its categories.",
            "masks",
        )


def _key(row: dict[str, Any]) -> str:
    return PurePosixPath(str(row["file_name"])).with_suffix("").as_posix()


def _match(files: Mapping[str, Path], named: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Return, by name in the COCO file, the key of its image: by path below the folder, else by file name alone."""
    stems = {PurePosixPath(key).name: key for key in files}
    places = {name: name if name in files else stems.get(PurePosixPath(name).name) for name in named}
    return {name: key for name, key in places.items() if key is not None}


def _tell_absent(path: Path, named: Mapping[str, object], found: Mapping[str, str]) -> Iterator[str]:
    absent = named.keys() - found.keys()
    if absent:
        yield f"{len(absent)} images named in {path.name} are absent and left out: {list_names(absent)}."


def _read_segmentation(annotation: Annotation, source: str) -> shapely.Geometry | dict[str, Any]:
    """Return a polygon in pixels, or run lengths as they are."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict) and "counts" in segmentation:
        return segmentation
    rings = [np.reshape(ring, (-1, 2)) for ring in segmentation or () if len(ring) >= 6 and len(ring) % 2 == 0]
    if not rings:
        raise BadDataset(
            f"Annotation {annotation.get('id')} of {source} has no outline; expected polygons or run lengths in "
            '"segmentation".',
            "masks",
        )
    return shapely.union_all(shapely.make_valid([shapely.Polygon(ring) for ring in rings]))


def _decode(encoded: dict[str, Any], image: SceneImage) -> NDArray[np.bool_]:
    """Return run lengths as bool (H, W) of the window."""
    width, height = image.size
    size = encoded.get("size")
    if size != [height, width]:
        raise BadDataset(
            f"Run lengths of {image.path.name} have the size {size}, the image has {[height, width]} (height, width); "
            "both need the same pixels.",
            "masks",
        )
    packed = run_lengths.frPyObjects(encoded, height, width) if isinstance(encoded["counts"], list) else encoded
    window = image.window
    cut = (slice(window.row, window.row + window.height), slice(window.col, window.col + window.width))
    return np.asarray(run_lengths.decode(packed)[cut].astype(np.bool_))
