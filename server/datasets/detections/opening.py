"""Chooses the reader by the name of the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from server.datasets.detections.coco_boxes import open_coco_boxes
from server.datasets.detections.csv_tables import open_csv, parse_csv
from server.datasets.detections.dota import parse_dota
from server.datasets.detections.fair1m import parse_fair1m
from server.datasets.detections.label_files import LabelFiles, ParseFile
from server.datasets.detections.laid_over import open_vector_file
from server.datasets.detections.names import ImageNames
from server.datasets.detections.records import DetectionReader
from server.datasets.detections.voc import parse_dior, parse_voc
from server.datasets.detections.yolo import parse_yolo, parse_yolo_obb
from server.datasets.errors import BadDataset

Format = Literal["yolo", "yolo-obb", "voc", "dior", "dota", "fair1m", "coco", "csv", "geojson"]
FORMATS: tuple[Format, ...] = get_args(Format)
FILE_FORMATS: dict[str, tuple[str, ParseFile]] = {
    "yolo": (".txt", parse_yolo),
    "yolo-obb": (".txt", parse_yolo_obb),
    "voc": (".xml", parse_voc),
    "dior": (".xml", parse_dior),
    "dota": (".txt", parse_dota),
    "fair1m": (".xml", parse_fair1m),
}
LIST_FORMATS: dict[str, Callable[[Path, ImageNames, Sequence[str] | None], DetectionReader]] = {
    "coco": open_coco_boxes,
    "csv": open_csv,
    "geojson": open_vector_file,
}


def open_detections(kind: str, boxes: Path, names: ImageNames, classes: Sequence[str] | None) -> DetectionReader:
    """Open labels in a format.

    Args:
        kind: one of `FORMATS`; "geojson" also reads GeoPackage, Shapefile and FlatGeobuf.
        boxes: a folder with a file for every image (yolo, yolo-obb, voc, dior, dota, fair1m, csv), or one file (coco,
            csv, geojson).
        names: of the images.
        classes: that may occur; None takes all that do.

    Raises:
        BadDataset: the format is unknown, or the labels are not in it or belong to none of the images.
    """
    if kind not in FORMATS:
        raise BadDataset(f'There is no format "{kind[:40]}"; known are {", ".join(FORMATS)}.', "format")
    if not boxes.exists():
        raise BadDataset(f"{boxes} does not exist; give a folder or a file.", "boxes")
    if kind == "csv" and boxes.is_dir():
        pairs, notes = names.match_files(boxes, ".csv")
        return LabelFiles(pairs, parse_csv, classes, notes)
    if kind in LIST_FORMATS:
        if boxes.is_dir():
            raise BadDataset(f'{boxes} is a folder; the format "{kind}" needs one file.', "boxes")
        return LIST_FORMATS[kind](boxes, names, classes)
    suffix, parse = FILE_FORMATS[kind]
    pairs, notes = names.match_files(boxes, suffix)
    return LabelFiles(pairs, parse, classes, notes)
