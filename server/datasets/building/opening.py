"""Brings images and detections together, and reads all labels once before hours of work depend on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from server.datasets.building.building import Source, require_any
from server.datasets.detections.class_list import MAX_CLASSES
from server.datasets.detections.names import ImageNames
from server.datasets.detections.opening import open_detections
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage, find_files, open_image
from server.datasets.options import Grouping, ReadingOptions
from server.datasets.refused import find_refused, tell_left_out
from server.errors import NotARaster

# Images are kept whole: their maps are to fit them.
WHOLE = 2**31


def open_source(
    images: Path, boxes: Path, kind: str, classes: Sequence[str] | None, grouping: Grouping | None
) -> Source:
    """Open images and their detections.

    Args:
        images: a folder of images, or one image.
        boxes: a folder of label files, or one file.
        kind: format of the boxes.
        classes: names by their values; None takes all that occur, sorted.
        grouping: how images are assigned to areas; None makes every image an area of its own.

    Images that cannot be opened, or were refused before, are left out.

    Raises:
        BadDataset: labels are not in their format or belong to none of the images, there are no classes, or none of the
            labelled images can be opened.
    """
    if not images.exists():
        raise BadDataset(f"{images} does not exist; give a folder of images, or one image.", "images")
    files = find_files(images)
    refused = find_refused(images)
    reader = open_detections(kind, boxes, ImageNames(files, refused), classes)
    options = ReadingOptions(grouping=grouping or Grouping("name", "^.*$"), max_side_px=WHOLE)
    opened: list[SceneImage] = []
    left_out: dict[str, str] = {}
    found: set[str] = set()
    for name in reader.images:
        if name in refused:
            left_out[name] = refused[name]
            continue
        try:
            image = next(open_image(files[name], name, images, options))
        except NotARaster as error:
            left_out[name] = tell_left_out(files[name].name, error.message)
            continue
        found.update(detection.class_name for detection in reader.read(image))
        opened.append(image)
    require_any(opened, left_out)
    names = tuple(classes) if classes is not None else tuple(sorted(found, key=_natural))
    if not 1 <= len(names) <= MAX_CLASSES:
        raise BadDataset(
            f"{len(names)} classes occur in {boxes.name}; expected 1 to {MAX_CLASSES}.",
            "classes",
        )
    root = images.parent if images.is_file() else images
    file_names = {image.name: image.path.relative_to(root).as_posix() for image in opened}
    return Source(opened, file_names, reader, names, left_out)


def _natural(name: str) -> tuple[str, int, str]:
    """Return a key by which "class 10" comes after "class 9"."""
    bare = name.rstrip("0123456789")
    digits = name[len(bare) :]
    return bare, int(digits or 0), name
