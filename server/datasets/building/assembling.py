"""Joins the records of all images into one COCO file, reading one after the other so that memory stays flat."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from server.datasets.building.annotations import Annotation
from server.datasets.building.layout import Layout, drafting
from server.datasets.building.records import ImageRecord, read_record


def write_coco(
    target: Path,
    layout: Layout,
    names: Sequence[str],
    class_names: Sequence[str],
    choose: Callable[[ImageRecord], Iterable[Annotation]],
) -> int:
    """Write a COCO file with ids that are unique in the whole dataset.

    Images are numbered in the order of their names, annotations in the order of images and of their ids in the image;
    categories are counted from 1, one more than the value in the maps of classes.

    Args:
        target: the file.
        layout: of the dataset.
        names: of its images, all finished.
        class_names: in the order of their values.
        choose: takes annotations of a record.

    Returns:
        Number of annotations.
    """
    categories = {name: number for number, name in enumerate(class_names, start=1)}
    n_annotations = 0
    with drafting(target) as draft, draft.open("w", encoding="utf-8") as file:
        file.write('{"images": [')
        for image_id, name in enumerate(names, start=1):
            record = read_record(layout, name)
            width, height = record.size
            image = {"id": image_id, "file_name": record.file_name, "width": width, "height": height}
            _write_row(file.write, image, is_first=image_id == 1)
        file.write('\n], "annotations": [')
        for image_id, name in enumerate(names, start=1):
            for annotation in choose(read_record(layout, name)):
                n_annotations += 1
                numbered = {
                    "id": n_annotations,
                    "image_id": image_id,
                    "category_id": categories[annotation["class"]],
                    **{key: value for key, value in annotation.items() if key != "class"},
                }
                _write_row(file.write, numbered, is_first=n_annotations == 1)
        listed = [{"id": number, "name": name} for name, number in categories.items()]
        file.write('\n], "categories": ' + json.dumps(listed, ensure_ascii=False) + "}\n")
    return n_annotations


def _write_row(write: Callable[[str], Any], row: dict[str, Any], *, is_first: bool) -> None:
    write(("\n" if is_first else ",\n") + json.dumps(row, ensure_ascii=False))
