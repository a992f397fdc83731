"""Tells, in a folder that somebody packed, which files are images, which are labels and which are classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.datasets.detections.class_list import read_class_list
from server.datasets.detections.opening import FILE_FORMATS
from server.datasets.errors import BadDataset
from server.datasets.scenes import list_names

# Names of folders, in lower case, as data sets have them.
IMAGE_FOLDERS = frozenset(("images", "jpegimages"))
LABEL_FOLDERS = frozenset(("labels", "annotations", "labeltxt", "labelxml", "boxes"))
CLASS_FILES = ("classes.txt", "classes.json", "data.yaml", "data.yml")
# Formats with one file for all images, and what such a file ends in.
LIST_SUFFIXES = {"coco": (".json",), "csv": (".csv",), "geojson": (".geojson", ".gpkg", ".fgb", ".json")}


@dataclass(frozen=True)
class Found:
    """Where everything lies.

    Attributes:
        images: a folder.
        boxes: a folder with a file for every image, or one file.
        classes: names, in order; None where the folder says nothing.
    """

    images: Path
    boxes: Path
    classes: tuple[str, ...] | None


def find_parts(folder: Path, kind: str) -> Found:
    """Return where images, labels and classes of a data set lie.

    Where exactly one folder is called as data sets call that of images or labels, that one is taken, else everything.
    Classes are what classes.txt, classes.json or data.yaml says.

    Args:
        folder: searched with its sub-folders.
        kind: format of the labels, one of `FORMATS`.

    Raises:
        BadDataset: the format needs one label file, and there is none or there are several; or classes are not to be
            read.
    """
    class_file = _find_class_file(folder)
    classes = None if class_file is None else read_class_list(class_file)
    images = _find_folder(folder, IMAGE_FOLDERS)
    labels = _find_folder(folder, LABEL_FOLDERS)
    if kind in FILE_FORMATS:
        return Found(images, labels, classes)
    # Such a file often lies beside the folders, not in one of them.
    found = _list_files(labels, LIST_SUFFIXES[kind]) or _list_files(folder, LIST_SUFFIXES[kind])
    files = [path for path in found if path != class_file]
    if kind == "csv" and len(files) > 1:
        return Found(images, labels, classes)
    if len(files) != 1:
        told = f"{len(files)}: {list_names(path.name for path in files)}" if files else "none"
        raise BadDataset(
            f'The format "{kind}" needs one file ending in {" or ".join(LIST_SUFFIXES[kind])}; the archive holds '
            f"{told}.",
            "format",
        )
    return Found(images, files[0], classes)


def _find_folder(folder: Path, names: frozenset[str]) -> Path:
    found = [path for path in folder.rglob("*") if path.is_dir() and path.name.lower() in names]
    return found[0] if len(found) == 1 else folder


def _find_class_file(folder: Path) -> Path | None:
    """Return the list of classes that lies highest; of several as high, in the order of `CLASS_FILES`."""
    found = [path for name in CLASS_FILES for path in folder.rglob(name)]
    return min(found, key=lambda path: len(path.parts), default=None)


def _list_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
