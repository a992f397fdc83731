"""Objects as COCO annotations with run-length masks, counted in one pass over the label raster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.windows import Window

from server.rasters.opening import open_raster
from server.vectors.geojson import read_rows

STRIP_PX = 8_000_000
MAX_STRIP_COLS = 512
UNNAMED_CLASS = "object"
Runs = NDArray[np.int64]


def write_coco(objects: Path, labels: Path, target: Path) -> None:
    """Write one COCO file: one image (the raster), one annotation per object with the ids of the labels.

    Masks are uncompressed run lengths (column by column, starting with background), exact to the pixel; `bbox` is
    [x, y, width, height] in pixels and counts them. Each class is a category; objects without a class share "object".
    """
    with open_raster(labels) as raster:
        width, height = raster.width, raster.height
        runs = _find_runs(raster)
    categories: dict[str, int] = {}
    with target.open("w", encoding="utf-8") as file:
        image = {"id": 1, "file_name": labels.name, "width": width, "height": height}
        file.write('{"images": [' + json.dumps(image) + '], "annotations": [')
        for index, (_, values) in enumerate(read_rows(objects)):
            category = categories.setdefault(values["class"] or UNNAMED_CLASS, len(categories) + 1)
            counts = count_runs(runs.pop(values["id"]), width * height)
            annotation = _annotate(values, category, {"size": [height, width], "counts": counts})
            file.write((",\n" if index else "\n") + json.dumps(annotation))
        listed = [{"id": number, "name": name} for name, number in (categories or {UNNAMED_CLASS: 1}).items()]
        file.write('\n], "categories": ' + json.dumps(listed) + "}\n")


def _annotate(values: dict[str, Any], category: int, mask: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": values["id"],
        "image_id": 1,
        "category_id": category,
        "segmentation": mask,
        "area": values["area_px"],
        "bbox": values["bbox"],
        "iscrowd": 0,
        "score": values["predicted_iou"],
        **{name: values[name] for name in ("area_m2", "predicted_iou", "stability_score", "point", "source")},
    }


def _find_runs(raster: DatasetReader) -> dict[int, list[Runs]]:
    """Return for each id its runs, as int64 (n, 2) arrays of start and length in column-major pixel order."""
    cols = min(MAX_STRIP_COLS, max(1, STRIP_PX // raster.height))
    runs: dict[int, list[Runs]] = {}
    for col in range(0, raster.width, cols):
        strip = raster.read(1, window=Window(col, 0, min(cols, raster.width - col), raster.height))
        for object_id, found in _runs_of_strip(strip.T.ravel(), col * raster.height):
            runs.setdefault(object_id, []).append(found)
    return runs


def _runs_of_strip(values: NDArray[np.int32], first: int) -> Iterator[tuple[int, Runs]]:
    """Yield (id, runs) for one strip whose pixels, in column-major order, begin at position `first`."""
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    lengths = np.diff(np.append(starts, values.size))
    ids = values[starts]
    order = np.argsort(ids, kind="stable")
    table = np.stack([starts + first, lengths], axis=1)[order].astype(np.int64)
    present, begins = np.unique(ids[order], return_index=True)
    for object_id, rows in zip(present.tolist(), np.split(table, begins[1:]), strict=True):
        if object_id:
            yield object_id, rows


def count_runs(parts: list[Runs], n_pixels: int) -> list[int]:
    """Return COCO counts, background and object in turns, of runs in ascending order."""
    runs = np.concatenate(parts)
    ends = runs[:, 0] + runs[:, 1]
    # Two strips may each hold a part of one run; where one ends at the start of the next they are joined.
    begins_run = np.concatenate([[True], runs[1:, 0] != ends[:-1]])
    ends_run = np.append(begins_run[1:], True)
    borders = np.stack([runs[begins_run, 0], ends[ends_run]], axis=1).ravel()
    counts: list[int] = np.diff(np.concatenate([[0], borders])).tolist()
    rest = n_pixels - int(borders[-1])
    return [*counts, rest] if rest else counts
